// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Writes a picture as a PNG file.

#pragma once

#include <string>

#include "bench/mandelbrot/kernel.h"

namespace mandelbrot {

// Errors: std::runtime_error naming the file. Blocking: the thread, for the file.
void write_png(const Image& image, const std::string& path);

}  // namespace mandelbrot
