// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// LEB128: unsigned integers, 7 bits per byte, low bits first.

#pragma once

#include <cstddef>
#include <cstdint>

namespace creel::tracer::format {

inline constexpr std::size_t kMaxVarint = 10;

// Writes `value` at `out` and returns the end. Requires: room for kMaxVarint bytes.
inline std::uint8_t* put_varint(std::uint8_t* out, std::uint64_t value) noexcept {
  while (value >= 0x80) [[unlikely]] {
    *out++ = static_cast<std::uint8_t>(value) | 0x80;
    value >>= 7;
  }
  *out++ = static_cast<std::uint8_t>(value);
  return out;
}

// Writes `value` in exactly `width` bytes (zero-padded, which readers accept), to be patched in place later.
// Requires: value < 2^(7 width).
inline void put_padded_varint(std::uint8_t* out, std::uint64_t value, std::size_t width) noexcept {
  for (std::size_t i = 0; i + 1 < width; ++i) {
    out[i] = static_cast<std::uint8_t>(value) | 0x80;
    value >>= 7;
  }
  out[width - 1] = static_cast<std::uint8_t>(value & 0x7f);
}

// Reads a value from [`in`, `end`). Returns the next byte, or null when it is cut, longer than kMaxVarint or above 64
// bits.
inline const std::uint8_t* get_varint(const std::uint8_t* in, const std::uint8_t* end, std::uint64_t& value) noexcept {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < kMaxVarint && in != end; ++i) {
    const std::uint8_t byte = *in++;
    if (i == kMaxVarint - 1 && byte > 1) return nullptr;
    result |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      value = result;
      return in;
    }
  }
  return nullptr;
}

}  // namespace creel::tracer::format
