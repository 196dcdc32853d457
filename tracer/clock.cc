// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/clock.h"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "creel/tracer/format/event.h"

namespace creel::tracer {
namespace {

bool has_invariant_counter() noexcept {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(0x80000000u, &a, &b, &c, &d) == 0 || a < 0x80000007u) return false;
  return __get_cpuid(0x80000007u, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#elif defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

// One reading of both clocks; the closest of a few, since an interrupt may fall between them.
struct Point {
  std::uint64_t ticks = 0;
  std::uint64_t ns = 0;
};

Point read_point() noexcept {
  Point best;
  std::uint64_t best_gap = ~std::uint64_t{0};
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t before = read_ticks();
    const std::uint64_t ns = monotonic_ns();
    const std::uint64_t after = read_ticks();
    if (after - before < best_gap) {
      best_gap = after - before;
      best = {before + (after - before) / 2, ns};
    }
  }
  return best;
}

constexpr std::uint64_t kMinBaseline = 2'000'000;  // ns; two readings 50 ns off then give 25 ppm

}  // namespace

bool g_cpu_counter = has_invariant_counter();

namespace {
const Point g_first = read_point();  // after g_cpu_counter: same translation unit, in order
}  // namespace

ClockMap next_clock_map(const ClockMap* previous) {
  constexpr double kScale = static_cast<double>(std::uint64_t{1} << ClockMap::kShift);
  Point now = read_point();
  while (now.ns - g_first.ns < kMinBaseline) {
    const timespec rest{0, static_cast<long>(kMinBaseline - (now.ns - g_first.ns))};
    nanosleep(&rest, nullptr);  // an early return only costs another round
    now = read_point();
  }
  const double ns_per_tick =
      g_cpu_counter ? static_cast<double>(now.ns - g_first.ns) / static_cast<double>(now.ticks - g_first.ticks) : 1.0;
  double rate = ns_per_tick / static_cast<double>(format::kNanosecondsPerUnit);
  std::uint64_t units = now.ns / format::kNanosecondsPerUnit;
  if (previous != nullptr) {
    const std::uint64_t continued = previous->units(now.ticks);
    if (continued > units) {
      // Ahead of the real time: never step back, run slower (at most 0.1%) until it has caught up.
      const double ahead = static_cast<double>(continued - units) / static_cast<double>(format::kUnitsPerSecond);
      rate *= 1.0 - std::min(ahead, 0.001);
      units = continued;
    }
  }
  return {now.ticks, units, static_cast<std::uint64_t>(std::llround(rate * kScale))};
}

}  // namespace creel::tracer
