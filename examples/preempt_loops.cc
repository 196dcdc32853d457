// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// As preempt, with no checkpoint() in the loop: this target is built with creel_preempt_loops(), so the compiler gives
// each loop a safe point. Usage: preempt_loops [ITERATIONS], default 200,000,000 each.
//
// In the trace: the same turns of about 10 ms on P0 as in preempt, though the source says nothing of the runtime.

#include <cstdint>

#include <fmt/core.h>

#include <creel/creel.h>

#include "examples/arguments.h"

namespace {

// Iterates a linear congruential generator, which no compiler turns into a formula.
std::uint64_t scramble(std::int64_t iterations, std::uint64_t value) {
  for (std::int64_t k = 0; k < iterations; ++k) value = value * 6364136223846793005u + 1442695040888963407u;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "preempt_loops [ITERATIONS]", 0, 1);
  const auto iterations = arguments.number<std::int64_t>(1, "ITERATIONS", 200'000'000);
  creel::Options options;
  options.procs = 1;
  return creel::run(options, [iterations] {
    creel::WaitGroup wg;
    for (int i = 0; i < 10; ++i) {
      wg.go([i, iterations] {
        const std::uint64_t value = scramble(iterations, static_cast<std::uint64_t>(i));
        fmt::print("fiber {} {:016x}\n", i, value);
      });
    }
    wg.wait();
  });
}
