// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "bench/mandelbrot/kernel.h"

namespace mandelbrot {
namespace {

constexpr double kBailout = 1024;
constexpr int kRounds = 1000;

// Where `x` of `total` lies in [-max, -min]: the tutorial's formula, kept as it is.
double norm(int x, int total, double min, double max) noexcept { return (max - min) * x / total - max; }

}  // namespace

std::uint8_t pixel(int column, int row, int size) noexcept {
  const double xi = norm(column, size, -1.0, 2);
  const double yi = norm(row, size, -1, 1);
  double x = 0;
  double y = 0;
  for (int round = 0; x * x + y * y < kBailout && round < kRounds; ++round) {
    const double next = x * x - y * y + xi;
    y = 2 * x * y + yi;
    x = next;
  }
  // Go's uint8(x): truncation to an integer, then its low byte. One step from inside the bailout circle leaves
  // |x| < 1024 + 2, so the integer conversion is defined, whatever its width.
  return static_cast<std::uint8_t>(static_cast<std::int64_t>(x));
}

void fill_pixel(Image& image, int column, int row) noexcept {
  image.set(column, row, pixel(column, row, image.size()));
}

void fill_column(Image& image, int column) noexcept {
  for (int row = 0; row < image.size(); ++row) fill_pixel(image, column, row);
}

}  // namespace mandelbrot
