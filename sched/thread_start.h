// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A worker's thread: creation, and what every worker sets up at its start and takes down at its end.

#pragma once

#include "creel/sched/overflow.h"
#include "creel/sched/scheduler.h"

namespace creel::sched {

// Creates a worker thread that starts with `proc`; the one that `boots` submits the main fiber first. Ends the process,
// naming the limit, when no thread can be had.
void start_thread(Scheduler& s, Processor* proc, bool spinning, Fiber* fiber, bool boots = false);

// Timed waits of the calling thread end on time (Linux: timer slack 1 ns).
void set_timer_slack() noexcept;

// Lives as long as the worker's thread: thread id, current_worker(), signal stack, tracer, own context.
class ThreadStart {
 public:
  explicit ThreadStart(Worker& worker);
  ~ThreadStart();
  ThreadStart(const ThreadStart&) = delete;
  ThreadStart& operator=(const ThreadStart&) = delete;

 private:
  Worker& worker_;
  ThreadAltStack alt_stack_;
};

}  // namespace creel::sched
