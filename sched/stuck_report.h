// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The report on a fiber that keeps its P, made on a thread of its own: looking up names in the debug information takes up to
// a second the first time, in which the monitor would take no P from a blocked fiber and preempt nobody.

#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace creel::sched {

struct Scheduler;

// Thread safety: the monitor's own.
class StuckReporter {
 public:
  explicit StuckReporter(Scheduler& s) noexcept : scheduler_(s) {}
  // Blocking: until the report under way is written.
  ~StuckReporter();
  StuckReporter(const StuckReporter&) = delete;
  StuckReporter& operator=(const StuckReporter&) = delete;

  // Logs the fiber that `worker`, the thread that holds P `proc`, has run for `milliseconds`, with its stack; without the
  // stack if there is no thread to be had for that. False: the report before is not written yet, ask again.
  bool report(std::uint32_t proc, std::int64_t milliseconds, std::uint64_t worker);

 private:
  Scheduler& scheduler_;
  std::thread thread_;
  std::atomic<bool> busy_{false};
};

}  // namespace creel::sched
