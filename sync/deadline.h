// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Conversion of the durations and time points users give into deadlines of the scheduler's clock.
//
// Rounds up, so a wait never ends early; saturates, so duration::max() means "no limit" and does not overflow.

#pragma once

#include <chrono>

#include "creel/sched/timer.h"

namespace creel::sync {

using sched::Clock;

// The deadline of something that may take `duration` from now.
template <typename Rep, typename Period>
[[nodiscard]] Clock::time_point deadline_after(std::chrono::duration<Rep, Period> duration) {
  const Clock::time_point now = Clock::now();
  // As floating point: the user's unit may not fit the clock's.
  using Seconds = std::chrono::duration<double>;
  if (Seconds(duration) <= Seconds::zero()) return now;
  if (Seconds(duration) >= Seconds(Clock::time_point::max() - now)) return Clock::time_point::max();
  return now + std::chrono::ceil<Clock::duration>(duration);
}

// `when`, of any clock, as a deadline. For other clocks than the steady one, which gives Clock its time points, the distance from now counts; later adjustments of
// that clock do not.
template <typename C, typename D>
[[nodiscard]] Clock::time_point to_deadline(std::chrono::time_point<C, D> when) {
  if constexpr (std::is_same_v<C, Clock::time_point::clock>) {
    return std::chrono::ceil<Clock::duration>(when);
  } else {
    return deadline_after(when - C::now());
  }
}

}  // namespace creel::sync
