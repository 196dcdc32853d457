// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "bench/mandelbrot/experiment.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <creel/creel.h>
#include <creel/tracer/recorder.h>
#include <fmt/core.h>

#include "bench/mandelbrot/png.h"

namespace mandelbrot {
namespace {

struct Measured {
  double seconds = 0;
  double cpu_seconds = 0;
  int procs = 0;
  std::int64_t fibers = 0;
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
};

double cpu_seconds_of_process() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) {
    throw std::system_error(errno, std::generic_category(), "getrusage");
  }
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// One picture in one runtime. `trace` empty: untraced.
Measured measure(Variant variant, const Options& options, Image& image, const std::string& trace) {
  Measured measured;
  std::exception_ptr error;
  creel::Options runtime_options;
  if (options.procs) runtime_options.procs = *options.procs;
  const int status = creel::run(runtime_options, [&] {
    try {
      creel::trace::Session session;
      if (!trace.empty()) session = creel::trace::start(trace);
      measured.procs = creel::procs();
      const double cpu_before = cpu_seconds_of_process();
      const auto before = std::chrono::steady_clock::now();
      measured.fibers = fill(variant, image, options.workers);
      measured.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
      measured.cpu_seconds = cpu_seconds_of_process() - cpu_before;
      // The last fibers have reported to the group but may not have ended yet: the trace shall show that too.
      while (!trace.empty() && creel::fiber_count() > 1) creel::yield();
      if (const std::error_code failed = session.stop()) throw std::system_error(failed, "cannot write " + trace);
    } catch (...) {
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
  if (status != 0) throw std::runtime_error(fmt::format("the runtime ended with status {}", status));
  if (!trace.empty()) {
    measured.events = creel::tracer::recorder_stats().events;
    measured.bytes = std::filesystem::file_size(trace);
  }
  return measured;
}

Measured median(std::vector<Measured> runs) {
  const auto middle = runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2);
  std::nth_element(runs.begin(), middle, runs.end(),
                   [](const Measured& left, const Measured& right) { return left.seconds < right.seconds; });
  return *middle;
}

Measured measure_repeatedly(Variant variant, const Options& options, Image& image, const std::string& trace,
                            const std::function<void(std::string_view)>& progress) {
  std::vector<Measured> runs;
  for (int run = 1; run <= options.repeat; ++run) {
    progress(
        fmt::format("{}{}, run {} of {}", name(variant), trace.empty() ? "" : " with tracing", run, options.repeat));
    runs.push_back(measure(variant, options, image, trace));
  }
  return median(std::move(runs));
}

}  // namespace

Result run_experiment(Variant variant, const Options& options, const std::function<void(std::string_view)>& progress) {
  Image image(options.size);
  const Measured off = measure_repeatedly(variant, options, image, "", progress);
  Result result{.variant = variant,
                .seconds = off.seconds,
                .cpu_share = off.cpu_seconds / (off.seconds * off.procs),
                .procs = off.procs,
                .fibers = off.fibers,
                .traced = std::nullopt};
  if (!options.trace_dir.empty()) {
    const std::string trace = fmt::format("{}/{}.trace", options.trace_dir, name(variant));
    Image traced_image(options.size);
    const Measured on = measure_repeatedly(variant, options, traced_image, trace, progress);
    if (traced_image.bytes() != image.bytes()) {
      throw std::runtime_error(fmt::format("{}: the picture drawn while tracing differs", name(variant)));
    }
    result.traced = Traced{.seconds = on.seconds, .events = on.events, .bytes = on.bytes};
  }
  if (!options.out.empty()) write_png(image, fmt::format("{}/{}.png", options.out, name(variant)));
  return result;
}

}  // namespace mandelbrot
