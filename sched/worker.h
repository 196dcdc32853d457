// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Worker (M): an OS thread that runs fibers while it holds a P.

#pragma once

#include <cstdint>
#include <thread>

#include "creel/sched/context.h"
#include "creel/sched/fiber.h"
#include "creel/sched/platform/futex.h"
#include "creel/sched/processor.h"
#include "creel/tracer/current.h"
#include "creel/tracer/trace_state.h"

namespace creel::sched {

struct Scheduler;

// What the next context does for the fiber that was switched away from, once it is completely saved.
enum class After : std::uint8_t {
  kNothing,
  kPark,     // run the commit; false: make it ready again
  kUnlock,   // unlock the SpinLock in commit_arg: the commit of park_unlock()
  kLocal,    // append to the local queue (yield)
  kGlobal,   // append to the global queue (preempted, or no P)
  kExit,     // free its stack and object
};

struct Worker : tracer::WorkerTrace {
  explicit Worker(Scheduler& s);

  Scheduler& scheduler;
  Context context;             // the thread's own stack: the scheduler's

  // Hand-over from one context to the next on this worker. Owner.
  After after = After::kNothing;
  Fiber* previous = nullptr;   // whom `after` is about
  bool (*commit)(Fiber*, void*) = nullptr;
  void* commit_arg = nullptr;

  bool boots = false;             // first of the runtime: submits Scheduler::boot. Set before the thread starts
  bool spinning = false;          // looks for work, counted in Scheduler::spinning. Owner, or its waker before waking it
  Processor* next_proc = nullptr;  // P to start with; set by the waker before park.wake()
  Fiber* next_fiber = nullptr;     // fiber to start with, likewise
  bool waits_pinned = false;      // counted in Scheduler::idle_worker_count by wait_pinned(). Guarded by Scheduler::lock
  Fiber* locked_fiber = nullptr;   // pinned to this worker (PinScope); owner, or under park hand-over
  Parker park;

  std::uint64_t random_state;      // xorshift; owner
  std::uint32_t sample_in = 1;     // fibers made runnable until one is stamped (counters.h). Owner
  std::uint32_t no_preempt = 0;    // > 0: code that must not be split by a loop safe point. Owner
  bool in_edge = false;            // a loop safe point is looking whether it may preempt. Owner
  std::uint32_t syscall_depth = 0; // > 0: inside blocking(): `proc` may be gone. Owner
  std::uint64_t syscall_section = 0;  // what it put into its P's word on entering. Owner
  Fiber* picked = nullptr;         // taken off a queue by pick_local for the scheduler's loop (pinned elsewhere). Owner
  std::int64_t owed_timer = TimerHeap::kNever;  // armed by the scheduler's own stack, nobody told yet (idle.cc). Owner
  Worker* next_idle = nullptr;     // guarded by Scheduler::lock
  std::thread thread;

  [[nodiscard]] Processor* processor() const noexcept { return static_cast<Processor*>(proc); }
  [[nodiscard]] Fiber* running() const noexcept { return static_cast<Fiber*>(fiber); }
};

// The calling thread's worker or null. Never keep it across anything that may park.
[[nodiscard]] inline Worker* this_worker() noexcept { return static_cast<Worker*>(tracer::current_worker()); }

}  // namespace creel::sched
