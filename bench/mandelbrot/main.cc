// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// mandelbrot: the worker experiments of the classic Go tracing tutorial, on creel. See variants.h for what they are.
// In the traces: `pixel` floods the run queues with short fibers; `workers` shows fibers blocked on "chan send" and
// "chan receive" most of the time; `col-workers-buffered` keeps every P busy to the end.

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "bench/mandelbrot/experiment.h"
#include "bench/mandelbrot/options.h"
#include "bench/mandelbrot/table.h"

namespace {

// Shows one line on a terminal, replaced by the next; nothing elsewhere.
class Progress {
 public:
  void show(std::string_view text) {
    if (on_terminal_) fmt::print(stderr, "\r\033[K{}", text);
    std::fflush(stderr);
  }
  ~Progress() { show(""); }

 private:
  bool on_terminal_ = isatty(STDERR_FILENO) == 1;
};

int run(const mandelbrot::Options& options) {
  if (!options.out.empty()) std::filesystem::create_directories(options.out);
  if (!options.trace_dir.empty()) std::filesystem::create_directories(options.trace_dir);
  std::vector<mandelbrot::Result> results;
  {
    Progress progress;
    for (mandelbrot::Variant variant : options.variants) {
      results.push_back(
          mandelbrot::run_experiment(variant, options, [&](std::string_view text) { progress.show(text); }));
    }
  }
  if (options.csv) {
    fmt::print("{}", mandelbrot::format_csv(results));
    return 0;
  }
  fmt::print(
      "{} x {} pixels, {} P, {} workers; wall_s is the median of {}, tracing off; cpu/P is CPU time / (wall * P)\n",
      options.size, options.size, results.front().procs, options.workers, options.repeat);
  fmt::print("{}", mandelbrot::format_table(results));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const mandelbrot::ParseResult parsed = mandelbrot::parse_options(argc, argv);
  if (!parsed.options) return parsed.status;
  try {
    return run(*parsed.options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "mandelbrot: {}\n", error.what());
    return 1;
  }
}
