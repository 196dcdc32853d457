// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// park() and ready(): all that sync/ and net/ need of the scheduler.
//
//   lock.lock();
//   if (!available()) {
//     Waiter w{current_fiber()};  queue.push_back(w);
//     park_unlock(BlockReason::kSync, lock);       // the waker has set w.granted before ready()
//   }
//
// No wake-up is lost: the lock is released by the commit, which runs after the fiber's context is saved, on the context
// switched to. So whoever finds the fiber on the queue under the lock may call ready() at once.
// Source: gopark/goready of Go's runtime/proc.go.

#pragma once

#include <chrono>

#include "creel/sched/base/spinlock.h"
#include "creel/sched/timer.h"
#include "creel/sched/worker.h"
#include "creel/tracer/block_reason.h"

namespace creel::sched {

using tracer::BlockReason;

// The running fiber. On a thread that runs no fiber, ends the process with a message that names `what` (the API called).
[[nodiscard]] Fiber* current_fiber(const char* what = "this call") noexcept;
// The running fiber or null.
[[nodiscard]] Fiber* current_fiber_or_null() noexcept;
// The running fiber if it may park here; null: not so, as on threads outside, whose way is as_fiber() (outside.h).
[[nodiscard]] inline Fiber* fiber_here() noexcept {
  Worker* worker = this_worker();
  if (worker == nullptr || worker->fiber == nullptr || worker->syscall_depth != 0) [[unlikely]] return nullptr;
  return worker->running();
}

// Runs after the fiber's context is saved, before anything else runs on this worker. Must not park, throw or allocate.
// Returns false to make the fiber runnable again at once (the condition came true meanwhile).
using ParkCommit = bool (*)(Fiber* fiber, void* arg);

// Parks the calling fiber until ready(). `object`: what it waits for, shown in dumps, or null.
// Caller: a fiber (it has asked current_fiber()), holding no SpinLock but the one its commit releases. Blocking: parks the
// fiber.
void park(BlockReason reason, ParkCommit commit, void* arg, const void* object = nullptr);

// park() whose commit unlocks `lock`, held by the caller. The lock is not held on return.
void park_unlock(BlockReason reason, SpinLock& lock, const void* object = nullptr);

// Makes a parked fiber runnable on the caller's P, next in line (queue end if `next` is false), and wakes an idle worker
// if there is one to use. Exactly one ready() per park(). Caller: any worker (with a SpinLock held if need be: ready()
// takes no lock of sync/), or a thread outside (outside.h). From one without a P it goes to the global queue.
void ready(Fiber* fiber, bool next = true);

// Puts the running fiber behind all other runnable ones of its P.
void yield();

// Parks until `when` / for `duration` (<= 0: yields).
void sleep_until(Clock::time_point when);
void sleep_for(std::chrono::nanoseconds duration);

// Hands the rest of the caller's time slice to `fiber`: makes it ready and yields at once to it, the caller next in line
// after (Go's semrelease with handoff). Trace: GoUnblock, GoStop("preempted"... as goyield), GoStart.
void ready_and_yield(Fiber* fiber);

// True for a short time's active spinning before parking to make sense: more than one P, and the caller's local queue is
// empty. Source: sync_runtime_canSpin.
[[nodiscard]] bool can_spin(int iteration) noexcept;
// Whether another P runs fibers, among them perhaps the holder of what the caller wants.
[[nodiscard]] bool others_run() noexcept;
// About 2 us of pause instructions: as long as Go's 30 take where they are slow.
void do_spin() noexcept;

// Uniform 32-bit random number from a per-worker generator (select's case order). Not for cryptography.
[[nodiscard]] std::uint32_t fast_random() noexcept;

}  // namespace creel::sched
