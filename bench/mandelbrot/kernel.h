// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The fractal: one gray pixel from its place in the picture.
//
// Thread safety: pixel() is pure; an Image may be written by several fibers at different pixels.
// Source: the classic Go tracing tutorial's mandelbrot; bench/go/mandelbrot computes the same bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mandelbrot {

// A square 8-bit gray picture, row by row.
class Image {
 public:
  explicit Image(int size) : size_(size), bytes_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {}
  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const noexcept { return bytes_; }
  void set(int column, int row, std::uint8_t gray) noexcept {
    bytes_[static_cast<std::size_t>(row) * static_cast<std::size_t>(size_) + static_cast<std::size_t>(column)] = gray;
  }

 private:
  int size_;
  std::vector<std::uint8_t> bytes_;
};

// The gray value at (column, row) of a picture `size` pixels wide and high.
[[nodiscard]] std::uint8_t pixel(int column, int row, int size) noexcept;

// Computes one pixel, or all pixels of one column, of `image`.
void fill_pixel(Image& image, int column, int row) noexcept;
void fill_column(Image& image, int column) noexcept;

}  // namespace mandelbrot
