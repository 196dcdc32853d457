// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Runs one variant, without and with tracing, and measures it.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "bench/mandelbrot/options.h"
#include "bench/mandelbrot/variants.h"

namespace mandelbrot {

struct Traced {
  double seconds = 0;        // wall time of the picture while tracing; start and stop of the trace not counted
  std::uint64_t events = 0;  // in the trace
  std::uint64_t bytes = 0;   // size of the trace file
};

struct Result {
  Variant variant = Variant::kSeq;
  double seconds = 0;    // wall time of the picture, tracing off; the median of the repeats
  double cpu_share = 0;  // CPU time of the process / (wall * P), in the same run
  int procs = 0;
  std::int64_t fibers = 0;
  std::optional<Traced> traced;  // the repeat with the median time
};

// Runs `variant` options.repeat times in a runtime of its own, then as often with tracing where asked for; writes its
// picture and its trace. `progress` is told what is about to run.
// Errors: std::runtime_error or std::system_error with a message for the user.
[[nodiscard]] Result run_experiment(Variant variant, const Options& options,
                                    const std::function<void(std::string_view)>& progress);

}  // namespace mandelbrot
