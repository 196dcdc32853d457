// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// park() and ready(), yield and sleep. How a fiber hands over to the next one: hand_over.h.

#include "creel/sched/park.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>

#include "creel/sched/base/check.h"
#include "creel/sched/base/pause.h"
#include "creel/sched/hand_over.h"
#include "creel/sched/outside.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"
#include "creel/tracer/hook.h"

namespace creel::sched {

using tracer::FiberStatus;
using tracer::Section;
using tracer::StopReason;

Fiber* current_fiber_or_null() noexcept {
  Worker* worker = this_worker();
  return worker == nullptr ? nullptr : worker->running();
}

Fiber* current_fiber(const char* what) noexcept {
  Fiber* self = fiber_here();
  if (self == nullptr) [[unlikely]] misuse_outside_fiber(what, this_worker() != nullptr && this_worker()->syscall_depth != 0);
  return self;
}

void start_fiber(Worker& worker, Fiber* fiber) {
  prepare_to_run(worker, fiber);
  Section section(worker);
  set_running(worker, fiber, section);
}

void finish_switch_slow(Worker& worker, Fiber* fiber, After after) {
  if (after == After::kNothing) return;
  if (after == After::kExit) return recycle(worker, fiber, fiber->owned_stack());
  // Release pairs with the acquire in a sweep or dump that walks the stack.
  fiber->on_cpu.store(false, std::memory_order_release);
  switch (after) {
    case After::kPark:
      if (worker.commit != nullptr && !worker.commit(fiber, worker.commit_arg)) ready(fiber);
      break;
    case After::kLocal:
      enqueue(worker, fiber, false);
      break;
    case After::kGlobal:
      worker.scheduler.global_queue.push(fiber);
      if (worker.scheduler.idle_proc_count.load(std::memory_order_seq_cst) != 0) wake_one(worker.scheduler);
      break;
    case After::kNothing:
    case After::kUnlock:
    case After::kExit:
      break;
  }
}

// Parks the running fiber; `worker.commit_arg` and what goes with `after` are set.
[[gnu::always_inline]] static inline void park_running(Worker& worker, BlockReason reason, After after, const void* object) {
  dcheck(worker.fiber != nullptr && worker.syscall_depth == 0, "park() outside a fiber");
  Fiber* self = worker.running();
  self->wait_object = object;
  self->since_ns = worker.scheduler.coarse_now.load(std::memory_order_relaxed);
  bump(worker.processor()->counters.parks);
  switch_away(worker, self, after, pick_local(worker), [self, reason](Section& section) {
    if (section) [[unlikely]] section.fiber_block(reason);
    self->reason = reason;
    self->status.store(FiberStatus::kWaiting, std::memory_order_relaxed);  // published by the commit's unlock
  });
}

void park(BlockReason reason, ParkCommit commit, void* arg, const void* object) {
  Worker& worker = *this_worker();
  worker.commit = commit;
  worker.commit_arg = arg;
  park_running(worker, reason, After::kPark, object);
}

void park_unlock(BlockReason reason, SpinLock& lock, const void* object) {
  Worker& worker = *this_worker();
  worker.commit_arg = &lock;
  park_running(worker, reason, After::kUnlock, object);
}

[[gnu::always_inline]] static inline void set_runnable(Worker& worker, Fiber* fiber) {
  if (--worker.sample_in == 0) [[unlikely]] stamp_runnable(worker, *fiber);
  const auto transition = [](Section& section, Fiber* to) __attribute__((always_inline)) {
    if (section) section.fiber_unblock(*to);
    to->status.store(FiberStatus::kRunnable, std::memory_order_relaxed);  // published by the queue
  };
  tracer::in_section(worker, transition, fiber);
}

void mark_ready(Worker& worker, Fiber* fiber) { set_runnable(worker, fiber); }

[[gnu::noinline, gnu::cold]] static void ready_from_outside(Fiber* fiber, bool next) {
  const WakeCall call("waking a fiber (by a channel, mutex, wait group ...)");
  if (call) ready(fiber, next);
}

void ready(Fiber* fiber, bool next) {
  Worker* worker = this_worker();
  if (worker == nullptr) [[unlikely]] return ready_from_outside(fiber, next);
  set_runnable(*worker, fiber);
  Scheduler& s = worker->scheduler;
  if (worker->proc == nullptr || worker->syscall_depth != 0) {
    s.global_queue.push(fiber);
  } else {
    enqueue(*worker, fiber, next);
    if (!next) std::atomic_thread_fence(std::memory_order_seq_cst);  // submit, then look for idle Ps (idle.cc, step 2)
  }
  if (s.idle_proc_count.load(std::memory_order_seq_cst) != 0) wake_after_ready(*worker, next);
}

// Gives up the rest of the slice to `next`; `after` says where the fiber goes.
[[gnu::always_inline]] static inline void stop_running(Worker& worker, Fiber* next, StopReason reason, After after) {
  Fiber* self = worker.running();
  if (--worker.sample_in == 0) [[unlikely]] stamp_runnable(worker, *self);
  switch_away(worker, self, after, next, [self, reason](Section& section) {
    if (section) [[unlikely]] section.fiber_stop(reason);
    self->status.store(FiberStatus::kRunnable, std::memory_order_relaxed);  // published by the queue, in finish_switch
  });
}

// Whether the worker has nothing to run but its current fiber: no local or global work, no timer due, no attention.
static bool nothing_else(Worker& worker) noexcept {
  if (worker.scheduler.detour) [[unlikely]] {
    if (worker.scheduler.fuzz != nullptr) worker.scheduler.fuzz->on_yield(*worker.running());
    return false;
  }
  Processor* proc = worker.processor();
  if (worker.picked != nullptr) return false;
  if (!proc->queue.empty() || proc->runnext.load(std::memory_order_relaxed) != nullptr) return false;
  if (proc->attention.load(std::memory_order_relaxed) || worker.locked_fiber != nullptr) return false;
  if (worker.scheduler.global_queue.size() > 0) return false;
  const std::int64_t when = proc->timers.next_when();
  return when == TimerHeap::kNever || when > now_ns();
}

void yield() {
  Fiber* self = fiber_here();
  if (self == nullptr) [[unlikely]] return as_fiber("creel::yield()", [] { yield(); });
  Worker& worker = *this_worker();
  Fiber* next = pick_local(worker);
  if (next == nullptr && nothing_else(worker)) {
    // Goes on at once, but with the events of a real yield.
    Section section(worker);
    if (section) {
      section.fiber_stop(StopReason::kYield);
      self->status.store(FiberStatus::kRunnable, std::memory_order_relaxed);
      worker.fiber = nullptr;
      set_running(worker, self, section);
    }
    return;
  }
  stop_running(worker, next, StopReason::kYield, After::kLocal);
}

void preempt_self(Worker& worker) {
  bump(worker.processor()->counters.preempted);
  stop_running(worker, pick_local(worker), StopReason::kPreempted, After::kGlobal);
}

void ready_and_yield(Fiber* fiber) {
  Worker& worker = *this_worker();
  mark_ready(worker, fiber);
  enqueue(worker, fiber, true);
  stop_running(worker, pick_local(worker), StopReason::kPreempted, After::kLocal);
}

namespace {

struct Sleep {
  Timer timer;
  Clock::time_point when;
};

// Next in line, unless somebody is already: of several sleepers due at once the earliest runs first.
void wake_sleeper(Timer&, void* arg) {
  const Processor* proc = this_worker()->processor();
  ready(static_cast<Fiber*>(arg), proc == nullptr || proc->runnext.load(std::memory_order_relaxed) == nullptr);
}

}  // namespace

void sleep_until(Clock::time_point when) {
  Fiber* self = fiber_here();
  if (self == nullptr) [[unlikely]] return as_fiber("creel::sleep_for() or sleep_until()", [when] { sleep_until(when); });
  Sleep sleep{.timer = Timer(wake_sleeper, self), .when = when};
  // Armed by the commit: it must not fire before the fiber is parked.
  park(
      BlockReason::kSleep,
      [](Fiber*, void* arg) {
        auto* s = static_cast<Sleep*>(arg);
        try {
          s->timer.start(s->when);
        } catch (const std::bad_alloc&) {  // parked already: there is nobody to throw it to
          fail("out of memory: cannot arm the timer of a sleep");
        }
        return true;
      },
      &sleep);
}

void sleep_for(std::chrono::nanoseconds duration) {
  if (duration.count() <= 0) return yield();
  const auto now = Clock::now();
  // A duration that reaches past the clock's end means forever.
  const auto when = duration > Clock::time_point::max() - now ? Clock::time_point::max() : now + duration;
  sleep_until(when);
}

bool others_run() noexcept {
  Worker* worker = this_worker();
  if (worker == nullptr || worker->proc == nullptr) return false;
  Scheduler& s = worker->scheduler;
  const std::uint32_t procs = s.procs.load(std::memory_order_relaxed);
  return procs > 1 && procs > s.idle_proc_count.load(std::memory_order_relaxed) +
                                  s.spinning.load(std::memory_order_relaxed) + 1;
}

bool can_spin(int iteration) noexcept {
  // Source: sync_runtime_canSpin. Spinning helps only while another P runs the holder.
  constexpr int kActiveSpins = 4;
  return iteration < kActiveSpins && others_run() && this_worker()->processor()->queue.empty();
}

void do_spin() noexcept {
  // Measured once: a pause takes 10 cycles on one processor and 140 on the next.
  static const int pauses = [] {
    constexpr int kSample = 100;
    auto fastest = std::chrono::steady_clock::duration::max();
    for (int round = 0; round < 3; ++round) {  // one may be interrupted
      const auto start = std::chrono::steady_clock::now();
      pause_for(kSample);
      fastest = std::min(fastest, std::chrono::steady_clock::now() - start);
    }
    constexpr std::chrono::nanoseconds kSpin{2000};
    return static_cast<int>(std::clamp<std::int64_t>(kSample * kSpin / std::max(fastest, decltype(fastest){1}), 30, 400));
  }();
  pause_for(pauses);
}

std::uint32_t fast_random() noexcept {
  Worker* worker = this_worker();
  if (worker == nullptr) [[unlikely]] return random_outside();
  std::uint64_t x = worker->random_state;  // xorshift64*, Vigna 2016
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  worker->random_state = x;
  return static_cast<std::uint32_t>((x * 0x2545F4914F6CDD1DULL) >> 32);
}

}  // namespace creel::sched
