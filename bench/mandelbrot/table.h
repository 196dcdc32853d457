// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Prints what the experiments measured.

#pragma once

#include <string>
#include <vector>

#include "bench/mandelbrot/experiment.h"

namespace mandelbrot {

// A table for people, with a line for each result. Speed-ups are over seq; "-" where seq or tracing was not run.
[[nodiscard]] std::string format_table(const std::vector<Result>& results);
// The same columns as comma-separated values, with a header line; a field is empty where the table has "-".
[[nodiscard]] std::string format_csv(const std::vector<Result>& results);

}  // namespace mandelbrot
