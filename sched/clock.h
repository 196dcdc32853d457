// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The clock of sleeps, deadlines and timers: the steady clock, or virtual time in a deterministic run (fuzz.h).
//
// Its time points are those of std::chrono::steady_clock. In virtual time only now() differs: it stands still while fibers
// run, but for a little at each look and each scheduling decision (so that a loop that waits for a moment ends), and leaps
// to the next timer when nothing else can run. A program that is to be replayed reads this clock, not the steady clock.
// Thread safety: now() from any thread; only the runtime's worker moves virtual time.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace creel {

namespace sched {

// Virtual time in ns, 0: real time. Relaxed: written by the only worker of a deterministic run.
extern std::atomic<std::int64_t> g_virtual_now;

[[nodiscard]] std::int64_t look_at_virtual_time() noexcept;

}  // namespace sched

struct Clock {
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr bool is_steady = true;

  [[nodiscard]] static time_point now() noexcept {
    if (sched::g_virtual_now.load(std::memory_order_relaxed) != 0) [[unlikely]] {
      return time_point(std::chrono::nanoseconds(sched::look_at_virtual_time()));
    }
    return std::chrono::steady_clock::now();
  }
};

namespace sched {
using creel::Clock;
}  // namespace sched

}  // namespace creel
