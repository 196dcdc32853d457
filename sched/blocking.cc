// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Who gets the P of a fiber in a blocking section is decided by one compare-exchange on Processor::syscall_section, a word
// that names this very section (worker and count), so nobody can mistake another for it:
//
//   owner    enters   store that word    release: all it did with the P is visible to a thief
//   owner    leaves   CAS word -> 0      won: nothing happened
//   thief    retakes  CAS word -> 0      won: the P is the thief's (monitor.cc, with ProcSteal in its Section)
//
// The trace: the thief reads the word before it opens its Section, so it is not in an older generation than the owner's
// GoSyscallBegin; the owner reports the loss in a Section it opens after it has seen the exchange, so that is not in an older
// generation than the ProcSteal.

#include "creel/sched/blocking.h"

#include <cerrno>
#include <mutex>

#include "creel/sched/base/check.h"
#include "creel/sched/hand_over.h"
#include "creel/sched/outside.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"
#include "creel/tracer/hook.h"

namespace creel::sched {

using tracer::FiberStatus;
using tracer::ProcStatus;
using tracer::Section;

[[gnu::always_inline]] static inline void enter_section() {
  Worker* worker = this_worker();
  if (worker == nullptr || worker->fiber == nullptr) return;
  if (worker->syscall_depth++ != 0) return;
  Processor* proc = worker->processor();
  const std::uint32_t tick = proc->syscall_tick.load(std::memory_order_relaxed) + 1;
  proc->syscall_tick.store(tick, std::memory_order_relaxed);
  worker->syscall_section = worker->id << 32 | tick;
  const auto transition = [](Section& section, Worker* on, Processor* held) __attribute__((always_inline)) {
    if (section) section.syscall_begin();
    on->fiber->status.store(FiberStatus::kSyscall, std::memory_order_relaxed);
    held->status.store(ProcStatus::kSyscall, std::memory_order_relaxed);
    held->syscall_section.store(on->syscall_section, std::memory_order_release);  // pairs with a thief's compare-exchange
  };
  tracer::in_section(*worker, transition, worker, proc);
}

// In a deterministic run there is no monitor that retakes the P: inline, but for threads outside, for which it may wait.
[[gnu::noinline, gnu::cold]] static void enter_replayed() {
  Worker* worker = this_worker();
  if (worker == nullptr || worker->fiber == nullptr || worker->scheduler.fuzz == nullptr) return enter_section();
  worker->scheduler.fuzz->tell_of(Fuzz::Outside::kBlocking);
  enter_section();
  if (worker->syscall_depth == 1 && worker->scheduler.pins.load(std::memory_order_relaxed) != 0) give_up_blocked_proc(*worker);
}

void enter_blocking() {
  // Virtual time: a deterministic run.
  if (g_virtual_now.load(std::memory_order_relaxed) != 0) [[unlikely]] return enter_replayed();
  enter_section();
}

void enter_blocking_of_runtime() { enter_section(); }

namespace {

// errno's address is per thread and is hoisted across calls (it is declared const): read it anew after a switch.
__attribute__((noinline)) void set_errno(int value) noexcept {
  asm volatile("");
  errno = value;
}

// The P was retaken. Goes on with an idle one if there is any. Caller: on the fiber's stack.
bool resume_with_idle_proc(Worker& worker, Fiber* self) {
  Scheduler& s = worker.scheduler;
  Processor* proc = nullptr;
  {
    std::lock_guard guard(s.lock);
    if (!s.stopping.load(std::memory_order_seq_cst)) proc = take_idle_proc(s);
  }
  if (proc == nullptr) return false;
  acquire_proc(worker, proc);
  {
    Section section(worker);
    if (section) [[unlikely]] section.syscall_end_blocked();
    self->status.store(FiberStatus::kRunnable, std::memory_order_relaxed);
    worker.fiber = nullptr;
  }
  worker.syscall_depth = 0;
  start_fiber(worker, self);
  return true;
}

// The P was retaken: goes on with an idle one, or waits for one in the global queue. Returns on another worker, maybe.
[[gnu::noinline]] void resume_elsewhere(Worker& worker) {
  Fiber* self = worker.running();
  if (resume_with_idle_proc(worker, self)) return;
  worker.syscall_depth = 0;
  switch_away(worker, self, After::kGlobal, nullptr, [self](Section& ended) {
    if (ended) ended.syscall_end_blocked();
    self->status.store(FiberStatus::kRunnable, std::memory_order_relaxed);  // published by the global queue
  });
}

}  // namespace

void leave_blocking() {
  Worker* worker = this_worker();
  if (worker == nullptr || worker->fiber == nullptr) return;
  if (worker->syscall_depth != 1) {
    --worker->syscall_depth;
    return;
  }
  const int saved_errno = errno;
  const auto transition = [](Section& section, Worker* on) __attribute__((always_inline)) {
    Processor* proc = on->processor();
    std::uint64_t own = on->syscall_section;
    // Acquire pairs with the release of a thief: not needed for the P, which is lost then, but for its ProcSteal's order.
    if (!proc->syscall_section.compare_exchange_strong(own, 0, std::memory_order_acq_rel, std::memory_order_acquire)) {
      on->scheduler.events.blocking_without_p.fetch_sub(1, std::memory_order_relaxed);
      on->proc = nullptr;
      return false;
    }
    proc->status.store(ProcStatus::kRunning, std::memory_order_relaxed);
    on->fiber->status.store(FiberStatus::kRunning, std::memory_order_relaxed);
    if (section) section.syscall_end();
    return true;
  };
  if (tracer::in_section(*worker, transition, worker)) [[likely]] {
    worker->syscall_depth = 0;
    safe_point();
  } else {
    resume_elsewhere(*worker);
  }
  set_errno(saved_errno);
}

}  // namespace creel::sched
