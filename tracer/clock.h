// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The trace clock: the CPU's counter mapped to 32 ns units of CLOCK_MONOTONIC. Not for timers.
//
// A ClockMap is a straight line, fixed for one generation; the next one starts where it ends, so time never steps back.
// The rate is measured over all the time since the process started. Where the counter is not known to run at a constant
// rate on all CPUs (CPUID 8000_0007h), CLOCK_MONOTONIC itself is the counter.

#pragma once

#include <time.h>

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace creel::tracer {

// Whether the CPU's own counter is used. Constant after static initialisation.
extern bool g_cpu_counter;

// ns of CLOCK_MONOTONIC.
inline std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

// Requires: g_cpu_counter.
inline std::uint64_t read_cpu_counter() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  std::uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
  return 0;  // not called
#endif
}

inline std::uint64_t read_ticks() noexcept { return g_cpu_counter ? read_cpu_counter() : monotonic_ns(); }

struct ClockMap {
  static constexpr int kShift = 56;
  std::uint64_t base_ticks = 0;
  std::uint64_t base_units = 0;
  std::uint64_t mult = 0;  // units per tick, times 2^kShift; below 2^63

  // Units at `ticks`. Where the counter lags behind the base (another CPU), that is before the base.
  [[nodiscard]] std::uint64_t units(std::uint64_t ticks) const noexcept {
    __extension__ using Wide = __int128;
    const auto passed = static_cast<std::int64_t>(ticks - base_ticks);
    return base_units + static_cast<std::uint64_t>(Wide{passed} * static_cast<std::int64_t>(mult) >> kShift);
  }
  [[nodiscard]] std::uint64_t now() const noexcept { return units(read_ticks()); }
};

// The map from now on: continues `previous` (null: the first one). Blocking: up to 2 ms, only if the process is
// younger.
[[nodiscard]] ClockMap next_clock_map(const ClockMap* previous);

}  // namespace creel::tracer
