// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The tracing hook: what sched/, sync/ and net/ call at every transition.
//
//   Section section(worker);              // off: two plain increments, one branch
//   fiber.status.store(kWaiting, relaxed);
//   if (section) section.fiber_block(reason);
//   // end of scope: section closed
//
// A Section brackets one transition: the change of scheduler state and its event fall into one generation. It is opened
// whether tracing is on or off.
//
// Protocol (asymmetric, as Go's traceAcquire/traceRelease but with membarrier instead of a full fence):
//  1. Enter: op_seq becomes odd (plain store); if its look bit is set, the generation is loaded, else it is 0. Leave:
//     op_seq becomes even (release).
//  2. Advancer (start, generation change, stop): stores the new generation, sets the look bits (stop: clears them) and
//     runs membarrier(PRIVATE_EXPEDITED) until none has been lost (op_seq.h), then for each worker whose op_seq is odd
//     waits until it changes. After that nobody is inside a Section that saw the old generation: each worker either was
//     seen outside, so its next look comes after the barrier, or has left.
//  3. Silent transitions (generation 0) thus end before start() returns, and each of them happened before every emitted
//     event on the same fiber or processor, because the right to make a transition (popped from a queue, taken off a
//     wait list under its lock) is acquired before the Section is entered.
//
// Rules for callers:
//  A. No Section inside a Section, no park, no user code, no blocking inside one; keep it to a few instructions.
//  B. Out of Running, and between non-running states: event before the new state becomes visible, same Section.
//     Into Running: state (status, worker.fiber, worker.proc) first, event after, same Section.
//  C. Acquire a P from the idle list, or a fiber from a queue, before entering the Section, never inside.
//  D. status, worker.fiber, worker.proc, proc.status, proc.holder change only inside a Section.
//     The same for a P in a syscall. The thief knows, before it enters its Section, that the P is in this very syscall (a
//     lock, or a compare-exchange on a word with a count: with the bare status the P may leave and enter again in a newer
//     generation). The victim that finds its P gone emits syscall_end_blocked() in a fresh Section, not in the one in
//     which its compare-exchange failed: the thief's Section may be of a newer generation than that.
//  E. Where membarrier is missing, the look bits are always set and g_generation is never 0 (kFenceBit is set for good), so
//     every Section takes the path through events::enter(), which fences and loads again.
//
// Source: runtime/trace.go (invariants 4-7), runtime/traceruntime.go of Go 1.27.

#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "creel/tracer/block_reason.h"
#include "creel/tracer/trace_state.h"

#if defined(CREEL_TRACER_OFF)
#include "creel/tracer/hook_off.h"
#else

namespace creel::tracer {

// The current generation; 0: tracing is off. Written by the recorder only.
extern std::atomic<std::uint64_t> g_generation;

// What stands behind Section's events. They take the worker, not the Section, so that a Section lives in registers.
namespace events {
// First Section of `worker` in `generation` (closes the previous one), or tracing is off, or a fence is needed. Returns the
// Section's generation.
[[nodiscard]] std::uint64_t enter(WorkerTrace& worker, std::uint64_t generation) noexcept;
void procs_change(WorkerTrace& worker, std::uint32_t count) noexcept;
void proc_start(WorkerTrace& worker, ProcTrace& proc) noexcept;
void proc_stop(WorkerTrace& worker) noexcept;
[[nodiscard]] std::uint64_t proc_steal(WorkerTrace& worker, std::uint64_t generation, ProcTrace& proc,
                                       std::uint64_t victim) noexcept;  // returns the Section's generation
void fiber_create(WorkerTrace& worker, FiberTrace& fiber) noexcept;
void fiber_create_syscall(WorkerTrace& worker, FiberTrace& fiber) noexcept;
void fiber_destroy_syscall(WorkerTrace& worker, FiberTrace& fiber) noexcept;
void fiber_start(WorkerTrace& worker, FiberTrace& fiber) noexcept;
void fiber_stop(WorkerTrace& worker, StopReason reason) noexcept;
void fiber_block(WorkerTrace& worker, BlockReason reason) noexcept;
void fiber_unblock(WorkerTrace& worker, FiberTrace& fiber) noexcept;
void fiber_destroy(WorkerTrace& worker) noexcept;
void syscall_begin(WorkerTrace& worker) noexcept;
void syscall_end(WorkerTrace& worker) noexcept;
void syscall_end_blocked(WorkerTrace& worker) noexcept;
void label(WorkerTrace& worker, std::string_view name) noexcept;
void task_begin(WorkerTrace& worker, std::uint64_t task, std::uint64_t parent, std::string_view type) noexcept;
void task_end(WorkerTrace& worker, std::uint64_t task) noexcept;
void region_begin(WorkerTrace& worker, std::uint64_t task, std::string_view type) noexcept;
void region_end(WorkerTrace& worker, std::uint64_t task, std::string_view type) noexcept;
void log(WorkerTrace& worker, std::uint64_t task, std::string_view category, std::string_view message) noexcept;
}  // namespace events

// One traced transition. Caller: the thread that owns `worker`. Blocking: never. Allocates: only when a buffer is full.
class Section {
 public:
  explicit Section(WorkerTrace& worker) noexcept : Section(worker, worker.op_seq.enter()) {}
  // A Section that `worker.op_seq.enter()` has opened, returning `look`.
  [[gnu::always_inline]] Section(WorkerTrace& worker, bool look) noexcept : worker_(worker) {
    if (!look) [[likely]]
      return;
    // Acquire pairs with the recorder's release store: a new generation's tables are seen initialised.
    generation_ = g_generation.load(std::memory_order_acquire);
    if (generation_ != worker.generation) [[unlikely]]
      generation_ = events::enter(worker, generation_);
  }
  ~Section() { worker_.op_seq.leave(); }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  // Whether events are to be emitted.
  explicit operator bool() const noexcept { return generation_ != 0; }

  // Events. Requires: bool(*this). "Current" P and G are worker.proc and worker.fiber. Missing statuses of the resources
  // named are written first, as they were before the event. Stacks are those of the calling fiber (the frames between
  // the API call and here are trimmed when the stack is symbolised); without a current fiber the stack is empty.

  // Current P and running G.
  void procs_change(std::uint32_t count) noexcept { events::procs_change(worker_, count); }
  // After worker.proc = &proc, status kRunning, holder set.
  void proc_start(ProcTrace& proc) noexcept { events::proc_start(worker_, proc); }
  // Before worker.proc = null; also from a syscall (known to block).
  void proc_stop() noexcept { events::proc_stop(worker_); }
  // Takes `proc` away from worker `victim` whose fiber is in a syscall. After winning the compare-exchange
  // of its blocking section, in the same Section (and see rule C). Caller needs no P; `victim` may be the caller's own id.
  void proc_steal(ProcTrace& proc, std::uint64_t victim) noexcept {
    generation_ = events::proc_steal(worker_, generation_, proc, victim);
  }

  // Status about to become kRunnable; needs a P, G optional.
  void fiber_create(FiberTrace& fiber) noexcept { events::fiber_create(worker_, fiber); }
  // A thread outside the runtime gets a fiber: before worker.fiber = &fiber, status kSyscall. Needs no P.
  void fiber_create_syscall(FiberTrace& fiber) noexcept { events::fiber_create_syscall(worker_, fiber); }
  // It loses it: before status kDead, worker.fiber = null. Without a P.
  void fiber_destroy_syscall(FiberTrace& fiber) noexcept { events::fiber_destroy_syscall(worker_, fiber); }
  // After worker.fiber = &fiber, status kRunning.
  void fiber_start(FiberTrace& fiber) noexcept { events::fiber_start(worker_, fiber); }
  // Before status kRunnable, worker.fiber = null.
  void fiber_stop(StopReason reason) noexcept { events::fiber_stop(worker_, reason); }
  // Before status kWaiting, worker.fiber = null.
  void fiber_block(BlockReason reason) noexcept { events::fiber_block(worker_, reason); }
  // Before status kRunnable; any thread, with or without P.
  void fiber_unblock(FiberTrace& fiber) noexcept { events::fiber_unblock(worker_, fiber); }
  // Before status kDead, worker.fiber = null.
  void fiber_destroy() noexcept { events::fiber_destroy(worker_); }
  // Before status kSyscall on fiber and P.
  void syscall_begin() noexcept { events::syscall_begin(worker_); }
  // P kept; after both are kRunning again.
  void syscall_end() noexcept { events::syscall_end(worker_); }
  // P lost (worker.proc null or a new P already started).
  void syscall_end_blocked() noexcept { events::syscall_end_blocked(worker_); }

  // Annotations: current P and running G.
  void label(std::string_view name) noexcept { events::label(worker_, name); }
  void task_begin(std::uint64_t task, std::uint64_t parent, std::string_view type) noexcept {
    events::task_begin(worker_, task, parent, type);
  }
  void task_end(std::uint64_t task) noexcept { events::task_end(worker_, task); }
  void region_begin(std::uint64_t task, std::string_view type) noexcept { events::region_begin(worker_, task, type); }
  void region_end(std::uint64_t task, std::string_view type) noexcept { events::region_end(worker_, task, type); }
  void log(std::uint64_t task, std::string_view category, std::string_view message) noexcept {
    events::log(worker_, task, category, message);
  }

 private:
  WorkerTrace& worker_;
  std::uint64_t generation_ = 0;
};

}  // namespace creel::tracer

#endif  // CREEL_TRACER_OFF

namespace creel::tracer {
namespace detail {

template <typename Transition, typename... Args>
[[gnu::noinline, gnu::cold]] auto looked(WorkerTrace& worker, Args... args) {
  Section section(worker, true);
  return Transition{}(section, args...);
}

}  // namespace detail

// Gives what `transition(section, args...)` returns in a Section of `worker`, for hot paths. `transition` is a lambda that
// captures nothing and is compiled twice: once for a Section that need not look, inlined, without its events, and once for
// any other, behind a call. So an event's arguments take no register from the path on which tracing is off.
template <typename Transition, typename... Args>
[[gnu::always_inline]] inline auto in_section(WorkerTrace& worker, Transition transition, Args... args) {
  static_assert(std::is_empty_v<Transition>, "what it needs goes by arguments");
  if (worker.op_seq.enter()) [[unlikely]]
    return detail::looked<Transition>(worker, args...);
  Section section(worker, false);
  return transition(section, args...);
}

}  // namespace creel::tracer
