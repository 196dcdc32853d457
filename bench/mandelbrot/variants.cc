// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "bench/mandelbrot/variants.h"

#include <array>
#include <cstddef>
#include <utility>

#include <creel/creel.h>

namespace mandelbrot {
namespace {

struct Point {
  int column;
  int row;
};

constexpr std::array<std::pair<Variant, std::string_view>, 6> kNames = {{
    {Variant::kSeq, "seq"},
    {Variant::kPixel, "pixel"},
    {Variant::kCol, "col"},
    {Variant::kWorkers, "workers"},
    {Variant::kWorkersBuffered, "workers-buffered"},
    {Variant::kColWorkersBuffered, "col-workers-buffered"},
}};
constexpr std::array<Variant, 6> kVariants = {
    Variant::kSeq,     Variant::kPixel,           Variant::kCol,
    Variant::kWorkers, Variant::kWorkersBuffered, Variant::kColWorkersBuffered};

void create_seq(Image& image) {
  for (int column = 0; column < image.size(); ++column) {
    fill_column(image, column);
    creel::checkpoint();
  }
}

void create_pixel(Image& image) {
  creel::WaitGroup wg;
  for (int column = 0; column < image.size(); ++column) {
    for (int row = 0; row < image.size(); ++row) {
      wg.go([&image, column, row] { fill_pixel(image, column, row); });
    }
  }
  wg.wait();
}

void create_col(Image& image) {
  creel::WaitGroup wg;
  for (int column = 0; column < image.size(); ++column) {
    wg.go([&image, column] { fill_column(image, column); });
  }
  wg.wait();
}

// `capacity` 0: unbuffered, every pixel is a rendezvous.
void create_workers(Image& image, int workers, std::size_t capacity) {
  creel::Channel<Point> points(capacity);
  creel::WaitGroup wg;
  for (int worker = 0; worker < workers; ++worker) {
    wg.go([&image, &points] {
      for (Point point : points) fill_pixel(image, point.column, point.row);
    });
  }
  for (int column = 0; column < image.size(); ++column) {
    for (int row = 0; row < image.size(); ++row) points.send(Point{column, row});
  }
  points.close();
  wg.wait();
}

void create_col_workers(Image& image, int workers) {
  creel::Channel<int> columns(static_cast<std::size_t>(image.size()));
  creel::WaitGroup wg;
  for (int worker = 0; worker < workers; ++worker) {
    wg.go([&image, &columns] {
      for (int column : columns) fill_column(image, column);
    });
  }
  for (int column = 0; column < image.size(); ++column) columns.send(column);
  columns.close();
  wg.wait();
}

}  // namespace

std::span<const Variant> all_variants() noexcept { return kVariants; }

std::string_view name(Variant variant) noexcept { return kNames[static_cast<std::size_t>(variant)].second; }

std::optional<Variant> find_variant(std::string_view name) noexcept {
  for (const auto& [variant, known] : kNames) {
    if (known == name) return variant;
  }
  return std::nullopt;
}

std::int64_t fill(Variant variant, Image& image, int workers) {
  const std::int64_t size = image.size();
  switch (variant) {
    case Variant::kSeq:
      create_seq(image);
      return 0;
    case Variant::kPixel:
      create_pixel(image);
      return size * size;
    case Variant::kCol:
      create_col(image);
      return size;
    case Variant::kWorkers:
      create_workers(image, workers, 0);
      return workers;
    case Variant::kWorkersBuffered:
      create_workers(image, workers, image.bytes().size());
      return workers;
    case Variant::kColWorkersBuffered:
      create_col_workers(image, workers);
      return workers;
  }
  return 0;
}

}  // namespace mandelbrot
