// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "bench/mandelbrot/png.h"

#include <stdexcept>

#include <fmt/core.h>
#include <png.h>

namespace mandelbrot {

void write_png(const Image& image, const std::string& path) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.size());
  header.height = static_cast<png_uint_32>(image.size());
  header.format = PNG_FORMAT_GRAY;
  header.flags = PNG_IMAGE_FLAG_FAST;
  if (png_image_write_to_file(&header, path.c_str(), 0, image.bytes().data(), 0, nullptr) == 0) {
    throw std::runtime_error(fmt::format("cannot write {}: {}", path, header.message));
  }
}

}  // namespace mandelbrot
