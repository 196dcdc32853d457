// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Processor (P): the right to run fibers, with the queues and caches that need no lock because one worker holds it.

#pragma once

#include <atomic>
#include <cstdint>

#include "creel/sched/base/cache_line.h"
#include "creel/sched/counters.h"
#include "creel/sched/fiber_pool.h"
#include "creel/sched/run_queue.h"
#include "creel/sched/stack_pool.h"
#include "creel/sched/timer_heap.h"
#include "creel/tracer/trace_state.h"

namespace creel::sched {

struct Worker;

struct alignas(kCacheLine) Processor : tracer::ProcTrace {
  // Next to run, before the ring: the fiber readied last, which inherits the time slice (Go's runnext).
  // Written by the owner (exchange) and by stealers (compare-exchange to null); acq_rel pairs them.
  std::atomic<Fiber*> runnext{nullptr};
  RunQueue<Fiber*> queue;

  // Counters the monitor watches; written by the owner (relaxed: a stale value costs one round of the monitor).
  std::atomic<std::uint32_t> sched_tick{0};    // fibers started with a slice of their own
  std::atomic<std::uint32_t> syscall_tick{0};  // blocking sections entered
  // Fibers started. Read by thieves too: whether this P has switched since they looked.
  std::atomic<std::uint32_t> starts{0};

  // Asks the owner to go through the scheduler at the next safe point: slice over, P retired, or the runtime stops.
  std::atomic<bool> attention{false};  // relaxed; a hint that is looked at again and again

  // Names the blocking section that this P is in: worker id << 32 | syscall_tick; 0: none. Who exchanges it for 0, the worker
  // on leaving or a thief, has the P (blocking.cc).
  std::atomic<std::uint64_t> syscall_section{0};
  ProcCounters counters;  // for stats(); the first ones share the line of what the owner writes anyway

  alignas(kCacheLine) TimerHeap timers;  // read by every worker that goes idle
  StackCache stacks;   // owner
  FiberCache fibers;   // owner
  std::uint64_t next_id = 0;   // fiber ids in stock: next_id up to id_limit. Owner
  std::uint64_t id_limit = 0;
  Processor* next_idle = nullptr;  // guarded by Scheduler::lock
  // id >= procs: the owner gives it up. Written under Scheduler::lock, seq_cst, before attention is raised.
  std::atomic<bool> retired{false};

  // Monitor's notes. Monitor only.
  std::uint32_t seen_sched_tick = ~0u;
  std::uint32_t seen_syscall_tick = ~0u;
  std::int64_t seen_sched_when = 0;
  std::int64_t seen_syscall_when = 0;
  Fiber* seen_next = nullptr;
  std::uint32_t seen_starts = 0;
  bool reported_stuck = false;
  std::int64_t stuck_since = 0;    // ns; 0: not suspected
  std::uint64_t stuck_holder = 0;  // worker that held it then
  std::int64_t stuck_ran = 0;      // CPU time its thread had used by then, ns
};

}  // namespace creel::sched
