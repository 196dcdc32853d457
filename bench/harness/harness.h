// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What every benchmark program of this folder shares: names, scale, the measured section, and one line of JSON.
//
//   const Registration kYield{"yield_2", "ns/yield", [](Run& run) { ... run.measure(ops, [&] { ... }); }};
//
// The harness knows no runtime: each program links a backend (backend.h) that starts one. The Go twin in bench/go/suite
// has the same command line, names, counts and JSON; scripts/bench runs both in turns.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

// One run of one benchmark. Caller: the benchmark's main fiber.
class Run {
 public:
  Run(double scale, std::int64_t size) : scale_(scale), size_(size) {}

  // `full` at scale 1, less or more at others; a multiple of `unit` and at least one unit.
  [[nodiscard]] std::int64_t count(std::int64_t full, std::int64_t unit = 1) const;
  [[nodiscard]] double scale() const noexcept { return scale_; }
  // How many fibers or waiters, of the benchmarks named scale_*: --size, or `standard` without it.
  [[nodiscard]] std::int64_t size(std::int64_t standard) const noexcept { return size_ > 0 ? size_ : standard; }

  // The measured section: wall time and CPU time of the process around `body`. The benchmark's value becomes
  // nanoseconds per operation; set_value() may replace it afterwards. Once per run.
  template <typename F>
  void measure(std::int64_t operations, F&& body) {
    begin();
    std::forward<F>(body)();
    end(operations);
  }

  void set_value(double value) noexcept { value_ = value; }
  // A further figure, e.g. "create_ms".
  void add_metric(std::string name, double value) { metrics_.emplace_back(std::move(name), value); }

  [[nodiscard]] std::chrono::nanoseconds wall() const noexcept { return wall_; }
  [[nodiscard]] std::chrono::nanoseconds cpu() const noexcept { return cpu_; }
  [[nodiscard]] std::int64_t operations() const noexcept { return operations_; }
  [[nodiscard]] double value() const noexcept { return value_; }
  [[nodiscard]] const std::vector<std::pair<std::string, double>>& metrics() const noexcept { return metrics_; }

 private:
  void begin();
  void end(std::int64_t operations);

  double scale_;
  std::int64_t size_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::nanoseconds cpu_before_{0};
  std::chrono::nanoseconds wall_{0};
  std::chrono::nanoseconds cpu_{0};
  std::int64_t operations_ = 0;
  double value_ = 0;
  std::vector<std::pair<std::string, double>> metrics_;
};

struct Benchmark {
  std::string_view name;
  std::string_view unit;
  void (*function)(Run&);
};

// Adds a benchmark to this program's list. For objects of static storage duration.
class Registration {
 public:
  Registration(std::string_view name, std::string_view unit, void (*function)(Run&));
};

// Says why this program lacks a benchmark of the suite, for --left-out and for who asks for it all the same. For objects of
// static storage duration.
class LeftOut {
 public:
  LeftOut(std::string_view name, std::string_view reason);
};

// Resident memory of this process, in bytes, now. Errors: std::runtime_error where /proc does not tell.
[[nodiscard]] std::int64_t resident_bytes();

// Work that takes about 25 ns on a core of 2.5 GHz and that no compiler shortens: kWorkSteps dependent steps.
inline constexpr int kWorkSteps = 16;
[[nodiscard]] inline std::uint64_t work(std::uint64_t seed) noexcept {
  for (int i = 0; i < kWorkSteps; ++i) seed = seed * 6364136223846793005u + 1442695040888963407u;
  return seed;
}

// The smallest sample that at least `share` of all samples do not exceed. Requires: samples.
[[nodiscard]] double percentile(std::vector<double> samples, double share);

// The program: parses the command line, runs one benchmark through the backend, prints its line.
int main_of(std::string_view side, int argc, char** argv);

}  // namespace bench
