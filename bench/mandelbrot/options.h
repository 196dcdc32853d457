// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The command line of the mandelbrot program.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/mandelbrot/variants.h"

namespace mandelbrot {

struct Options {
  std::vector<Variant> variants;
  int size = 2048;
  int workers = 8;
  std::optional<int> procs;  // nullopt: CREEL_PROCS, else the number of CPUs
  std::string out;           // directory of VARIANT.png; empty: no pictures
  std::string trace_dir;     // directory of VARIANT.trace; empty: no tracing
  int repeat = 1;
  bool csv = false;
};

// What main() does next: go on with `options`, or end with `status` (help was printed, or an error reported).
struct ParseResult {
  std::optional<Options> options;
  int status = 0;
};

// Errors: a message on stderr that names the flag, what was given and what is accepted; status is then not 0.
[[nodiscard]] ParseResult parse_options(int argc, char** argv);

}  // namespace mandelbrot
