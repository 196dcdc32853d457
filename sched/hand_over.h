// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The hand-over between contexts, inlined into everything that stops a fiber (park.cc, fiber_create.cc, blocking.cc).
//
// A fiber that stops running chooses its successor itself, on its own stack, and switches straight to it; only when its
// P's local queue has nothing (or timers are due, or attention is wanted) does it switch to the worker's scheduler stack.
// Numbered, since this is where wake-ups get lost when done wrong:
//
//  1. The successor is popped, and gets a stack if it has none. Nothing that may run user code or take a lock of sync/
//     happens here (no timers).
//  2. In one Section, still on the old stack: the event and the new status (Waiting, Runnable) of the fiber that stops, then
//     status and event of the successor. Nobody can act on the first yet: the lock its waiters need is held, or its node is
//     not published, until step 4.
//  3. The switch saves the old context.
//  4. The successor's first act is finish_switch(): on_cpu = false (release), then the commit (unlock), or the push onto
//     a queue. Only from here may another worker resume the fiber.
//
// TSan is told that what one context did on a worker happened before what the next one does there, which is so. It thus
// sees a race between two fibers only when they run on different workers.
//
// Cost: everything here is inlined, so a switch is one jump and the frames of the stopped fiber are few; what a switch must
// read of a fiber lies in one cache line of it (tracer::FiberTrace) and one of its stack (Context).
// Source: gopark/park_m/goready of runtime/proc.go; there each switch passes through the scheduler stack.

#pragma once

#include "creel/sched/bind_stack.h"
#include "creel/sched/park.h"
#include "creel/sched/prefetch.h"
#include "creel/sched/scheduler.h"
#include "creel/tracer/hook.h"

namespace creel::sched {

inline constexpr std::uint32_t kGlobalEvery = 61;  // prime, so that it does not fall in step with a program's own period

// Step 4 where it is rare.
void finish_switch_slow(Worker& worker, Fiber* fiber, After after);

// Whether there is one processor only, so nobody steals from it. Caller: holds that processor. Relaxed: only a fiber makes
// more (set_procs), on this very processor, so its holder knows of that; thieves come into being after it.
inline bool alone(const Scheduler& s) noexcept { return s.made_procs.load(std::memory_order_relaxed) == 1; }

[[gnu::always_inline]] inline Fiber* take_local(const Scheduler& s, Processor& proc, bool& inherits) noexcept {
  inherits = false;
  Fiber* next = proc.runnext.load(std::memory_order_relaxed);
  if (alone(s)) {
    if (next == nullptr) return proc.queue.pop_alone(prefetch_next);
    proc.runnext.store(nullptr, std::memory_order_relaxed);
    inherits = true;
    return next;
  }
  // Only the owner puts a fiber here, stealers only take it away: a failed exchange means it was stolen.
  if (next != nullptr && proc.runnext.compare_exchange_strong(next, nullptr, std::memory_order_acq_rel)) {
    inherits = true;
    return next;
  }
  return proc.queue.pop();
}

inline void count_start(Processor& proc, bool inherits) noexcept {
  if (!inherits) bump(proc.sched_tick);
}

// The next fiber of this worker's P without waiting, stealing or running timers; null: go through the scheduler.
[[gnu::always_inline]] inline Fiber* pick_local(Worker& worker) noexcept {
  Processor* proc = worker.processor();
  if (proc == nullptr || worker.locked_fiber != nullptr) [[unlikely]] return nullptr;
  Scheduler& s = worker.scheduler;
  if (proc->attention.load(std::memory_order_relaxed) || s.detour) [[unlikely]] return nullptr;
  const std::int64_t when = proc->timers.next_when();
  // Timers run on the scheduler's stack only.
  if (when != TimerHeap::kNever && when <= now_ns()) [[unlikely]] return nullptr;
  if (s.global_queue.size() > 0 && proc->sched_tick.load(std::memory_order_relaxed) % kGlobalEvery == 0) [[unlikely]] {
    return nullptr;
  }
  bool inherits = false;
  Fiber* fiber = take_local(s, *proc, inherits);
  if (fiber == nullptr) return nullptr;
  count_start(*proc, inherits);
  // Relaxed: a pinned fiber was queued after its PinScope counted itself, and popping it acquires that.
  if (s.pins.load(std::memory_order_relaxed) != 0 && fiber->pinned) [[unlikely]] {
    worker.picked = fiber;
    return nullptr;
  }
  return fiber;
}

// Running: binds `fiber`, which has a stack, to the worker, with the event.
[[gnu::always_inline]] inline void set_running(Worker& worker, Fiber* fiber, tracer::Section& section) {
  bump(worker.processor()->starts);
  if (fiber->reason == kSampled) [[unlikely]] record_latency(worker, *fiber);
  fiber->on_cpu.store(true, std::memory_order_relaxed);  // owner; read by sweeps after a claim
  fiber->status.store(tracer::FiberStatus::kRunning, std::memory_order_relaxed);
  worker.fiber = fiber;
  if (section) [[unlikely]] section.fiber_start(*fiber);
}

// Gives `fiber` what it needs to run on this worker. Before the Section that starts it.
[[gnu::always_inline]] inline void prepare_to_run(Worker& worker, Fiber* fiber) {
  if (fiber->stack == nullptr) [[unlikely]] bind_stack(worker, fiber);
  if (worker.scheduler.detour) [[unlikely]] fiber->last_worker = static_cast<std::uint32_t>(worker.id);
}

// Runs on the context switched to, first of all: completes what the previous fiber of this worker asked for.
[[gnu::always_inline]] inline void finish_switch(Worker& worker) {
  Fiber* fiber = worker.previous;
  const After after = worker.after;
  if (after == After::kLocal || after == After::kUnlock) [[likely]] {
    // Release pairs with the acquire in a sweep or dump that walks the stack.
    fiber->on_cpu.store(false, std::memory_order_release);
    if (after == After::kUnlock) return static_cast<SpinLock*>(worker.commit_arg)->unlock();
    if (worker.processor()->queue.push(fiber)) [[likely]] return;
  }
  finish_switch_slow(worker, fiber, after);
}

// Steps 2 to 4, in a Section that the caller has opened (`look`: what op_seq.enter() returned).
template <typename Leave>
[[gnu::always_inline]] inline void hand_over(Worker& worker, Fiber* self, Fiber* next, Leave leave, bool look) {
  self->parked_frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  {
    tracer::Section section(worker, look);
    leave(section);
    worker.fiber = nullptr;
    if (next != nullptr) set_running(worker, next, section);
  }
  Context& own = self->context();
  Context& target = next != nullptr ? next->context() : worker.context;
  annotate_happens_before(&worker);
  auto* resumed_on = static_cast<Worker*>(switch_context(own, target, &worker));
  annotate_happens_after(resumed_on);
  finish_switch(*resumed_on);  // `worker` may be another thread's by now
}

// The same where events may be wanted: of its own, so that they take no register from the path without.
template <typename Leave>
[[gnu::noinline, gnu::cold]] void hand_over_looked(Worker& worker, Fiber* self, Fiber* next, Leave leave) {
  hand_over(worker, self, next, leave, true);
}

// Leaves the running fiber's context for the next runnable one, or the scheduler's: steps 1 to 4. `leave(section)` emits
// the event and sets the new status. Returns when the fiber runs again, possibly on another worker.
template <typename Leave>
[[gnu::always_inline]] inline void switch_away(Worker& worker, Fiber* self, After after, Fiber* next, Leave leave) {
  worker.previous = self;
  worker.after = after;
  if (next != nullptr) prepare_to_run(worker, next);
  if (worker.op_seq.enter()) [[unlikely]]
    return hand_over_looked(worker, self, next, leave);
  hand_over(worker, self, next, leave, false);
}

}  // namespace creel::sched
