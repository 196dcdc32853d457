// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The 16-byte file header. Levels in use: 22, 23, 25, 26 (24 and 27 do not exist: those Go releases write 23 and 26).

#pragma once

#include <array>
#include <cstdint>

namespace creel::tracer::format {

[[nodiscard]] constexpr bool is_level(int level) noexcept {
  return level == 22 || level == 23 || level == 25 || level == 26;
}

// "go 1.NN trace" and three NUL bytes. Requires: is_level(level).
[[nodiscard]] constexpr std::array<std::uint8_t, 16> file_header(int level) noexcept {
  const auto tens = static_cast<std::uint8_t>('0' + level / 10);
  const auto ones = static_cast<std::uint8_t>('0' + level % 10);
  return {'g', 'o', ' ', '1', '.', tens, ones, ' ', 't', 'r', 'a', 'c', 'e', 0, 0, 0};
}

}  // namespace creel::tracer::format
