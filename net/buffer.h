// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the sockets read into and write from.
//
// A buffer is a contiguous range of trivially copyable elements (array, vector, string, string_view, span, C array; a
// string literal counts without its terminator), or an object with data() of type void* and size() in bytes, as Asio's
// buffers. A buffer sequence is a buffer, or a range of buffers: vectored I/O. No Boost header is needed for Asio's.

#pragma once

#include <sys/uio.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>

namespace creel::net {

// Most buffers one call of the kernel takes; what is beyond is left for the next call.
inline constexpr std::size_t kMaxVectors = 16;

namespace detail {

template <typename T>
concept RawBuffer = requires(const T& buffer) {
  { buffer.size() } -> std::convertible_to<std::size_t>;
  { buffer.data() } -> std::convertible_to<const void*>;
  requires std::is_void_v<std::remove_pointer_t<decltype(buffer.data())>>;
};

template <typename T>
concept ContiguousBuffer = !RawBuffer<std::remove_cvref_t<T>> && std::ranges::contiguous_range<T> &&
                           std::ranges::sized_range<T> &&
                           std::is_trivially_copyable_v<std::ranges::range_value_t<T>> &&
                           !std::is_pointer_v<std::ranges::range_value_t<T>> &&
                           !RawBuffer<std::ranges::range_value_t<T>> &&
                           !std::ranges::range<std::ranges::range_value_t<T>>;

template <typename T>
concept OneBuffer = RawBuffer<std::remove_cvref_t<T>> || ContiguousBuffer<T>;

// A range of buffers. A buffer of Asio's is also a range of one, of itself.
template <typename T>
concept ManyBuffers = !OneBuffer<T> && requires(const std::remove_cvref_t<T>& sequence) {
  { *std::begin(sequence) } -> OneBuffer;
  std::end(sequence);
};

template <typename T>
[[nodiscard]] iovec to_vector(T&& buffer) noexcept {
  if constexpr (RawBuffer<std::remove_cvref_t<T>>) {
    return {const_cast<void*>(static_cast<const void*>(buffer.data())), buffer.size()};
  } else {
    using Plain = std::remove_reference_t<T>;
    std::size_t size = std::ranges::size(buffer);
    if constexpr (std::is_array_v<Plain> && std::is_same_v<std::remove_extent_t<Plain>, const char>) {
      if (size > 0 && buffer[size - 1] == '\0') --size;  // a literal
    }
    return {const_cast<void*>(static_cast<const void*>(std::ranges::data(buffer))),
            size * sizeof(std::ranges::range_value_t<T>)};
  }
}

// Whether what is read may be put there.
template <typename T>
constexpr bool is_writable() noexcept {
  if constexpr (RawBuffer<std::remove_cvref_t<T>>) {
    return !std::is_const_v<std::remove_pointer_t<decltype(std::declval<const std::remove_cvref_t<T>&>().data())>>;
  } else if constexpr (ContiguousBuffer<T>) {
    return !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<T>>>;
  } else {
    return is_writable<decltype(*std::begin(std::declval<const std::remove_cvref_t<T>&>()))>();
  }
}

}  // namespace detail

template <typename T>
concept ConstBuffers = detail::OneBuffer<T> || detail::ManyBuffers<T>;
template <typename T>
concept MutableBuffers = ConstBuffers<T> && (detail::is_writable<T>());

namespace detail {

// The first kMaxVectors non-empty buffers of a sequence, as the kernel wants them.
class Vectors {
 public:
  template <ConstBuffers T>
  explicit Vectors(T&& buffers) noexcept {
    if constexpr (OneBuffer<T>) {
      add(to_vector(buffers));
    } else {
      const auto end = std::end(std::as_const(buffers));
      for (auto it = std::begin(std::as_const(buffers)); it != end && count_ < kMaxVectors; ++it) add(to_vector(*it));
    }
  }
  [[nodiscard]] iovec* data() noexcept { return vectors_.data(); }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  void add(iovec vector) noexcept {
    if (vector.iov_len != 0) vectors_[count_++] = vector;
  }

  std::array<iovec, kMaxVectors> vectors_;
  std::size_t count_ = 0;
};

// Calls `step(iovec*, count)`, which returns the bytes it moved (0: stop), until all buffers are done. Returns the
// total.
template <ConstBuffers T, typename F>
std::size_t for_all(T&& buffers, F step) {
  std::size_t total = 0;
  const auto run = [&](iovec* vectors, std::size_t count) {
    while (count > 0) {
      const std::size_t moved = step(vectors, count);
      if (moved == 0) return false;
      total += moved;
      std::size_t left = moved;
      while (count > 0 && left >= vectors->iov_len) {
        left -= vectors->iov_len;
        ++vectors;
        --count;
      }
      if (count > 0) {
        vectors->iov_base = static_cast<char*>(vectors->iov_base) + left;
        vectors->iov_len -= left;
      }
    }
    return true;
  };
  if constexpr (OneBuffer<T>) {
    iovec one = to_vector(buffers);
    if (one.iov_len != 0) run(&one, 1);
  } else {
    std::array<iovec, kMaxVectors> vectors;
    std::size_t count = 0;
    for (auto it = std::begin(std::as_const(buffers)), end = std::end(std::as_const(buffers)); it != end; ++it) {
      const iovec vector = to_vector(*it);
      if (vector.iov_len == 0) continue;
      vectors[count++] = vector;
      if (count < kMaxVectors) continue;
      if (!run(vectors.data(), count)) return total;
      count = 0;
    }
    run(vectors.data(), count);
  }
  return total;
}

}  // namespace detail
}  // namespace creel::net
