// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The calls of a byte stream, which sockets and files share: StreamCalls<Derived> makes them of Derived's four
// primitives (private, with this class as friend; `context` may be null; they return the bytes moved and set or clear
// `error`):
//
//   std::size_t read(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
//   std::size_t write(...), and read_entered(...), write_entered(...) for when the side is entered already
//   detail::Descriptor* descriptor() const;
//
// Every call tries at once and parks only when the kernel has nothing, or no room. Deadlines and close: handle.h. All
// forms with a std::error_code set or clear it and return the bytes moved before an error; those without throw
// std::system_error. Those with a Context end, when it does, with std::errc::operation_canceled or timed_out.
// Models Asio's SyncReadStream and SyncWriteStream for other error-code types than std::error_code once
// <creel/net/asio.h> is included, which teaches it Asio's own.

#pragma once

#include <concepts>
#include <cstddef>
#include <system_error>

#include "creel/net/buffer.h"
#include "creel/net/cancellable.h"
#include "creel/net/descriptor.h"
#include "creel/net/error.h"

namespace creel::net {

// How a code of net/ is told in another library's type: specialisations have
//   static Code from(const std::error_code&);   static Code eof();
template <typename Code>
struct ForeignError;
template <typename Code>
concept ForeignCode = requires {
  { ForeignError<Code>::eof() } -> std::same_as<Code>;
};

namespace detail {

// Holds a side over several system calls; `error` set if it is not to be had. `descriptor` may be null: closed.
class Exclusive {
 public:
  Exclusive(Descriptor* descriptor, Side side, std::error_code& error) : side_(side) {
    const int failed = descriptor == nullptr ? kClosed : descriptor->enter(side);
    error = to_error_code(failed);
    if (failed == 0) entered_ = descriptor;
  }
  ~Exclusive() {
    if (entered_ != nullptr) entered_->leave(side_);
  }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

 private:
  Descriptor* entered_ = nullptr;
  Side side_;
};

// The bytes moved by a call that returned `result`, a number or -error; sets or clears `error`.
inline std::size_t outcome(std::int64_t result, std::error_code& error) noexcept {
  if (result >= 0) [[likely]] {
    error.clear();
    return static_cast<std::size_t>(result);
  }
  error = to_error_code(static_cast<int>(-result));
  return 0;
}

// `call(descriptor)`, a number or -error, with one side entered.
template <typename F>
std::size_t with_side(Descriptor* descriptor, Side side, std::error_code& error, F call) {
  if (descriptor == nullptr) return outcome(-kClosed, error);
  SideGuard guard(*descriptor, side);
  if (guard.error() != 0) return outcome(-guard.error(), error);
  return outcome(call(*descriptor), error);
}

}  // namespace detail

template <typename Derived>
class StreamCalls {
 public:
  // Reads what is there, at least one byte; waits for it. 0: the stream has ended (or the buffers are empty).
  template <MutableBuffers B>
  std::size_t read_some(B&& buffers, std::error_code& error) {
    return read_once(buffers, nullptr, error);
  }
  template <MutableBuffers B>
  std::size_t read_some(B&& buffers, const Context& context, std::error_code& error) {
    return read_once(buffers, &context, error);
  }
  template <MutableBuffers B>
  std::size_t read_some(B&& buffers) {
    std::error_code error;
    return checked(read_once(buffers, nullptr, error), error, "creel: read");
  }
  template <MutableBuffers B>
  std::size_t read_some(B&& buffers, const Context& context) {
    std::error_code error;
    return checked(read_once(buffers, &context, error), error, "creel: read");
  }
  // Writes at least one byte; waits for room.
  template <ConstBuffers B>
  std::size_t write_some(B&& buffers, std::error_code& error) {
    return write_once(buffers, nullptr, error);
  }
  template <ConstBuffers B>
  std::size_t write_some(B&& buffers, const Context& context, std::error_code& error) {
    return write_once(buffers, &context, error);
  }
  template <ConstBuffers B>
  std::size_t write_some(B&& buffers) {
    std::error_code error;
    return checked(write_once(buffers, nullptr, error), error, "creel: write");
  }
  template <ConstBuffers B>
  std::size_t write_some(B&& buffers, const Context& context) {
    std::error_code error;
    return checked(write_once(buffers, &context, error), error, "creel: write");
  }

  // Fills the buffers. Errors: Errc::unexpected_end when the stream ends before. Other readers are kept out meanwhile.
  template <MutableBuffers B>
  std::size_t read_full(B&& buffers, std::error_code& error) {
    return read_until_full(buffers, nullptr, error);
  }
  template <MutableBuffers B>
  std::size_t read_full(B&& buffers, const Context& context, std::error_code& error) {
    return read_until_full(buffers, &context, error);
  }
  template <MutableBuffers B>
  std::size_t read_full(B&& buffers) {
    std::error_code error;
    return checked(read_until_full(buffers, nullptr, error), error, "creel: read_full");
  }
  template <MutableBuffers B>
  std::size_t read_full(B&& buffers, const Context& context) {
    std::error_code error;
    return checked(read_until_full(buffers, &context, error), error, "creel: read_full");
  }
  // Writes all. Other writers are kept out meanwhile: what two fibers write does not mix.
  template <ConstBuffers B>
  std::size_t write_all(B&& buffers, std::error_code& error) {
    return write_until_empty(buffers, nullptr, error);
  }
  template <ConstBuffers B>
  std::size_t write_all(B&& buffers, const Context& context, std::error_code& error) {
    return write_until_empty(buffers, &context, error);
  }
  template <ConstBuffers B>
  std::size_t write_all(B&& buffers) {
    std::error_code error;
    return checked(write_until_empty(buffers, nullptr, error), error, "creel: write_all");
  }
  template <ConstBuffers B>
  std::size_t write_all(B&& buffers, const Context& context) {
    std::error_code error;
    return checked(write_until_empty(buffers, &context, error), error, "creel: write_all");
  }

  // Asio's forms: the end of the stream is an error of its own.
  template <MutableBuffers B, ForeignCode Code>
  std::size_t read_some(const B& buffers, Code& code) {
    std::error_code error;
    detail::Vectors vectors(buffers);
    const std::size_t got = self().read(vectors.data(), vectors.count(), nullptr, error);
    code = got == 0 && !error && vectors.count() != 0 ? ForeignError<Code>::eof() : ForeignError<Code>::from(error);
    return got;
  }
  template <ConstBuffers B, ForeignCode Code>
  std::size_t write_some(const B& buffers, Code& code) {
    std::error_code error;
    const std::size_t put = write_some(buffers, error);
    code = ForeignError<Code>::from(error);
    return put;
  }

 private:
  friend Derived;
  StreamCalls() = default;

  [[nodiscard]] Derived& self() noexcept { return static_cast<Derived&>(*this); }
  static std::size_t checked(std::size_t moved, const std::error_code& error, const char* what) {
    detail::throw_if(error, what);
    return moved;
  }

  template <typename B>
  std::size_t read_once(B& buffers, const Context* context, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return self().read(vectors.data(), vectors.count(), context, error);
  }
  template <typename B>
  std::size_t write_once(B& buffers, const Context* context, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return self().write(vectors.data(), vectors.count(), context, error);
  }
  template <typename B>
  std::size_t read_until_full(B& buffers, const Context* context, std::error_code& error) {
    detail::Exclusive guard(self().descriptor(), detail::Side::kRead, error);
    if (error) return 0;
    return detail::for_all(buffers, [&](iovec* vectors, std::size_t count) {
      const std::size_t got = self().read_entered(vectors, count, context, error);
      if (got == 0 && !error) error = Errc::unexpected_end;
      return got;
    });
  }
  template <typename B>
  std::size_t write_until_empty(B& buffers, const Context* context, std::error_code& error) {
    detail::Exclusive guard(self().descriptor(), detail::Side::kWrite, error);
    if (error) return 0;
    return detail::for_all(buffers, [&](iovec* vectors, std::size_t count) {
      return self().write_entered(vectors, count, context, error);
    });
  }
};

}  // namespace creel::net
