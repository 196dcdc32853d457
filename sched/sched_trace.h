// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Lines on the scheduler's state at regular intervals, as Go's GODEBUG=schedtrace: written by the monitor.
//
//   SCHED 1004ms: procs=2 idleprocs=0 workers=3 spinning=1 idleworkers=0 runqueue=4 [1 0]
//
// Time since run() began; Ps in use and idle; threads alive, looking for work, and parked; fibers in the global queue and
// in each P's own.

#pragma once

#include <cstdint>
#include <string>

namespace creel {
struct Stats;
}

namespace creel::sched {

struct Scheduler;

// One line, without an end. `elapsed_ns`: since run() began.
[[nodiscard]] std::string sched_line(const Stats& stats, std::int64_t elapsed_ns);

// The monitor's clock for the lines. Caller: the monitor.
class SchedTrace {
 public:
  // Config::sched_trace_ms of `s`, from now on. 0: no lines.
  SchedTrace(Scheduler& s, std::int64_t now) noexcept;

  [[nodiscard]] bool on() const noexcept { return period_ != 0; }
  // ns until the next line; 0: due. Requires: on().
  [[nodiscard]] std::int64_t left(std::int64_t now) const noexcept { return next_ > now ? next_ - now : 0; }
  // Logs a line if one is due.
  void tick(std::int64_t now);

 private:
  Scheduler& scheduler_;
  std::int64_t period_;  // ns
  std::int64_t began_;
  std::int64_t next_;
};

}  // namespace creel::sched
