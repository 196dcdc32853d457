// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A connected byte stream: what TcpStream and UnixStream share.
//
// Every call tries at once and parks only when the kernel has nothing, or no room. Deadlines and close: socket.h. All
// forms with a std::error_code set or clear it and return the bytes moved before an error; those without throw
// std::system_error. Models Asio's SyncReadStream and SyncWriteStream for other error-code types than std::error_code
// once <creel/net/asio.h> is included, which teaches it Asio's own.

#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <type_traits>

#include "creel/net/buffer.h"
#include "creel/net/socket.h"

namespace creel::net {

// How a code of net/ is told in another library's type: specialisations have
//   static Code from(const std::error_code&);   static Code eof();
template <typename Code>
struct ForeignError;

class StreamSocket : public Socket {
 public:
  StreamSocket() noexcept = default;

  // Reads what is there, at least one byte; waits for it. 0: the peer has ended the stream (or the buffers are empty).
  template <MutableBuffers B>
  std::size_t read_some(B&& buffers, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return read(vectors.data(), vectors.count(), error);
  }
  template <MutableBuffers B>
  std::size_t read_some(B&& buffers) {
    std::error_code error;
    const std::size_t got = read_some(buffers, error);
    detail::throw_if(error, "creel::net: read");
    return got;
  }
  // Writes at least one byte; waits for room.
  template <ConstBuffers B>
  std::size_t write_some(B&& buffers, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return write(vectors.data(), vectors.count(), error);
  }
  template <ConstBuffers B>
  std::size_t write_some(B&& buffers) {
    std::error_code error;
    const std::size_t put = write_some(buffers, error);
    detail::throw_if(error, "creel::net: write");
    return put;
  }

  // Fills the buffers. Errors: Errc::unexpected_end when the stream ends before. Other readers are kept out meanwhile.
  template <MutableBuffers B>
  std::size_t read_full(B&& buffers, std::error_code& error) {
    error.clear();
    Exclusive guard(*this, detail::Side::kRead, error);
    if (error) return 0;
    return detail::for_all(buffers, [&](iovec* vectors, std::size_t count) {
      const std::size_t got = read_entered(vectors, count, error);
      if (got == 0 && !error) error = Errc::unexpected_end;
      return got;
    });
  }
  template <MutableBuffers B>
  std::size_t read_full(B&& buffers) {
    std::error_code error;
    const std::size_t got = read_full(buffers, error);
    detail::throw_if(error, "creel::net: read_full");
    return got;
  }
  // Writes all. Other writers are kept out meanwhile: what two fibers write does not mix.
  template <ConstBuffers B>
  std::size_t write_all(B&& buffers, std::error_code& error) {
    error.clear();
    Exclusive guard(*this, detail::Side::kWrite, error);
    if (error) return 0;
    return detail::for_all(buffers,
                           [&](iovec* vectors, std::size_t count) { return write_entered(vectors, count, error); });
  }
  template <ConstBuffers B>
  std::size_t write_all(B&& buffers) {
    std::error_code error;
    const std::size_t put = write_all(buffers, error);
    detail::throw_if(error, "creel::net: write_all");
    return put;
  }

  // Asio's forms: the end of the stream is an error of its own.
  template <MutableBuffers B, typename Code>
    requires(!std::is_same_v<Code, std::error_code>)
  std::size_t read_some(const B& buffers, Code& code) {
    std::error_code error;
    detail::Vectors vectors(buffers);
    const std::size_t got = read(vectors.data(), vectors.count(), error);
    code = got == 0 && !error && vectors.count() != 0 ? ForeignError<Code>::eof() : ForeignError<Code>::from(error);
    return got;
  }
  template <ConstBuffers B, typename Code>
    requires(!std::is_same_v<Code, std::error_code>)
  std::size_t write_some(const B& buffers, Code& code) {
    std::error_code error;
    const std::size_t put = write_some(buffers, error);
    code = ForeignError<Code>::from(error);
    return put;
  }

  // Sends `count` bytes of `file` from `offset` on without copying them through the program; fewer if the file ends.
  // `file` stays the caller's.
  std::uint64_t send_file(int file, std::int64_t offset, std::uint64_t count, std::error_code& error);
  std::uint64_t send_file(int file, std::int64_t offset, std::uint64_t count);

  // Ends one direction: the peer reads the end of the stream / reads here return 0.
  void shutdown_write(std::error_code& error);
  void shutdown_write();
  void shutdown_read(std::error_code& error);
  void shutdown_read();

 protected:
  explicit StreamSocket(detail::Descriptor* descriptor) noexcept : Socket(descriptor) {}

 private:
  // Holds a side over several system calls.
  class Exclusive {
   public:
    Exclusive(StreamSocket& socket, detail::Side side, std::error_code& error);
    ~Exclusive();
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

   private:
    detail::Descriptor* entered_ = nullptr;
    detail::Side side_;
  };

  std::size_t read(iovec* vectors, std::size_t count, std::error_code& error);
  std::size_t write(iovec* vectors, std::size_t count, std::error_code& error);
  std::size_t read_entered(iovec* vectors, std::size_t count, std::error_code& error);
  std::size_t write_entered(iovec* vectors, std::size_t count, std::error_code& error);
};

}  // namespace creel::net
