// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The trace clock: the CPU's counter mapped to 16 ns units of CLOCK_MONOTONIC. Not for timers.
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

inline std::uint64_t read_ticks() noexcept {
#if defined(__x86_64__)
  if (g_cpu_counter) [[likely]]
    return __rdtsc();
#elif defined(__aarch64__)
  if (g_cpu_counter) [[likely]] {
    std::uint64_t ticks;
    asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
  }
#endif
  return monotonic_ns();
}

struct ClockMap {
  static constexpr int kShift = 56;
  std::uint64_t base_ticks = 0;
  std::uint64_t base_units = 0;
  std::uint64_t mult = 0;  // units per tick, times 2^kShift

  // Units at `ticks`; a counter that lags behind the base (another CPU) gives the base.
  [[nodiscard]] std::uint64_t units(std::uint64_t ticks) const noexcept {
    if (ticks <= base_ticks) [[unlikely]]
      return base_units;
    __extension__ using Wide = unsigned __int128;
    return base_units + static_cast<std::uint64_t>(static_cast<Wide>(ticks - base_ticks) * mult >> kShift);
  }
  [[nodiscard]] std::uint64_t now() const noexcept { return units(read_ticks()); }
};

// The map from now on: continues `previous` (null: the first one). Blocking: up to 2 ms, only if the process is
// younger.
[[nodiscard]] ClockMap next_clock_map(const ClockMap* previous);

}  // namespace creel::tracer
