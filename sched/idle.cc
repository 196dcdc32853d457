// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Idle processors, parked workers, and the protocol between those who submit work and those who go idle.
//
// Goal: no runnable fiber waits while a P is idle, and no thread is woken for nothing. One worker that looks for work
// ("spinning") is enough for any number of submissions: when it finds something it wakes the next one.
//
// Submitter:                                     Worker that found nothing:
//  1. makes the fiber visible in a queue          1. gives up its P (ProcStop)
//  2. full fence (exchange or fence)              2. puts the P on the idle list: idle_proc_count + 1 (seq_cst)
//  3. reads idle_proc_count; if > 0, wake_one()   3. spinning - 1 if it was; full fence
//                                                 4. looks at every queue and timer once more; if there is work and a P
//                                                    is still idle: takes it and goes on
//  5. A spinning worker that found work stops spinning; the last one to do so calls wake_one() if more work waits, or
//     nobody waits for the next timer or the network.
//
// The race: a submitter that read idle_proc_count == 0 did so before step 2 of the other side, so its fiber (step 1) is
// seen in step 4. A submitter that sees an idle P but a spinning worker does nothing: that worker either finds the fiber
// or, in its step 3, becomes non-spinning before its step 4.
// Fruitless wakes: two fibers that hand a value to and fro keep one P busy; whoever is woken for the one just readied comes
// too late each time, and the wake costs more than the hand-over. So after kFruitlessPatience wakes in a row that found nothing, a fiber
// that is next in line (runnext, nothing else queued) wakes nobody. The monitor then looks every 200 us and wakes a worker
// for a fiber that has stayed there meanwhile, because the one that readied it goes on computing; each steal that succeeds
// takes one off the count, so steady success makes wakes immediate again and a single one does not (with a reset to zero a
// pair torn apart by chance paid for three more wakes: ping-pong 153 ns instead of 105, four senders to four receivers over
// a channel of 128 75 instead of 22). Never left out for new fibers, longer queues, timers or the network.
//
// Rejected: waking on every submission (thrashes: the wakened thread finds nothing); a fixed number of always-spinning
// workers (burns idle cores). Source: "Worker thread parking/unparking" of Go's runtime/proc.go.

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "creel/sched/base/check.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/thread_start.h"
#include "creel/tracer/hook.h"

namespace creel::sched {

using tracer::ProcStatus;
using tracer::Section;

void acquire_proc(Worker& worker, Processor* proc) {
  // What the last holder was asked for does not concern this one, unless it is still true.
  clear_attention(*proc);
  if (proc->retired.load(std::memory_order_seq_cst) || worker.scheduler.stopping.load(std::memory_order_seq_cst)) {
    raise_attention(*proc);
  }
  Section section(worker);
  proc->holder.store(worker.id, std::memory_order_relaxed);
  proc->status.store(ProcStatus::kRunning, std::memory_order_relaxed);
  worker.proc = proc;
  if (section) [[unlikely]] section.proc_start(*proc);
}

Processor* release_proc(Worker& worker) {
  Processor* proc = worker.processor();
  Section section(worker);
  if (section) [[unlikely]] section.proc_stop();
  proc->status.store(ProcStatus::kIdle, std::memory_order_relaxed);
  proc->holder.store(0, std::memory_order_relaxed);
  worker.proc = nullptr;
  return proc;
}

void put_idle_proc(Scheduler& s, Processor* proc) {
  if (proc->retired.load(std::memory_order_relaxed)) {  // procs.cc brings it back when wanted
    proc->status.store(ProcStatus::kDead, std::memory_order_relaxed);
    clear_attention(*proc);
    proc->timers.move_to(s.proc(0)->timers);
    return;
  }
  proc->next_idle = s.idle_procs;
  s.idle_procs = proc;
  s.idle_proc_count.fetch_add(1, std::memory_order_seq_cst);
}

Processor* take_idle_proc(Scheduler& s) {
  Processor* proc = s.idle_procs;
  if (proc == nullptr) return nullptr;
  s.idle_procs = proc->next_idle;
  proc->next_idle = nullptr;
  s.idle_proc_count.fetch_sub(1, std::memory_order_seq_cst);
  // Once per sleep, not until its thread has a CPU.
  if (s.monitor_sleeps.load(std::memory_order_seq_cst) && s.monitor_sleeps.exchange(false, std::memory_order_seq_cst)) {
    wake_monitor(s);
  }
  return proc;
}

void wake_one(Scheduler& s) {
  for (;;) {
    std::uint32_t none = 0;
    if (!s.spinning.compare_exchange_strong(none, 1, std::memory_order_seq_cst)) return;
    Processor* proc = nullptr;
    {
      std::lock_guard guard(s.lock);
      proc = take_idle_proc(s);
    }
    if (proc != nullptr) return start_worker(s, proc, true);
    s.spinning.fetch_sub(1, std::memory_order_seq_cst);
    // A P that went idle meanwhile: whoever submitted then has seen us "spinning" and left the wake to us.
    if (s.idle_proc_count.load(std::memory_order_seq_cst) == 0) return;
  }
}

void wake_after_ready(Worker& worker, bool next) {
  Scheduler& s = worker.scheduler;
  if (!next || worker.proc == nullptr || worker.syscall_depth != 0 ||
      s.fruitless.load(std::memory_order_relaxed) < kFruitlessPatience || !worker.processor()->queue.empty()) {
    return wake_one(s);
  }
  // Say so, then look whether the monitor dozes; it announces its doze, then looks whether something was said (seq_cst).
  if (!s.skipped_wake.load(std::memory_order_relaxed)) s.skipped_wake.store(true, std::memory_order_seq_cst);
  if (s.monitor_dozes.load(std::memory_order_seq_cst) && s.monitor_dozes.exchange(false, std::memory_order_seq_cst)) {
    wake_monitor(s);
  }
}

void start_worker(Scheduler& s, Processor* proc, bool spinning, Fiber* fiber) {
  Worker* worker = nullptr;
  {
    std::lock_guard guard(s.lock);
    worker = s.idle_workers;
    if (worker != nullptr) {
      s.idle_workers = worker->next_idle;
      worker->next_idle = nullptr;
      --s.idle_worker_count;
    }
  }
  if (worker == nullptr) {
    start_thread(s, proc, spinning, fiber);
    return;
  }
  worker->spinning = spinning;
  worker->next_proc = proc;
  worker->next_fiber = fiber;
  EventCounters::add(s.events.worker_wakes);
  worker->park.wake();
}

void stop_worker(Worker& worker) {
  Scheduler& s = worker.scheduler;
  check(worker.proc == nullptr, "a worker parks while it holds a P");
  {
    std::lock_guard guard(s.lock);
    if (s.stopping.load(std::memory_order_seq_cst)) return;  // a worker that parked now would not be woken
    worker.next_idle = s.idle_workers;
    s.idle_workers = &worker;
    ++s.idle_worker_count;
    check_deadlock(s);
  }
  worker.park.park();
  // At the stop everybody is woken: what a starter hands over at that moment is of no interest any more.
  if (s.stopping.load(std::memory_order_seq_cst)) return;
  if (worker.next_proc != nullptr) acquire_proc(worker, std::exchange(worker.next_proc, nullptr));
}

void hand_off_proc(Scheduler& s, Processor* proc) {
  const bool local = !proc->queue.empty() || proc->runnext.load(std::memory_order_relaxed) != nullptr;
  if (!s.stopping.load(std::memory_order_relaxed) && (local || s.global_queue.size() > 0)) {
    start_worker(s, proc, false);
    return;
  }
  if (s.idle_proc_count.load(std::memory_order_seq_cst) == 0) {
    // The only P that could look for work elsewhere: let it look, unless somebody does.
    std::uint32_t none = 0;
    if (s.spinning.compare_exchange_strong(none, 1, std::memory_order_seq_cst)) {
      start_worker(s, proc, true);
      return;
    }
  }
  std::int64_t when = TimerHeap::kNever;
  {
    std::lock_guard guard(s.lock);
    when = proc->timers.next_when();  // before: a retired P's timers move away
    put_idle_proc(s, proc);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (s.global_queue.size() > 0) wake_one(s);
  if (when != TimerHeap::kNever) wake_for_timer(s, when);
}

void wake_for_timer(Scheduler& s, std::int64_t when) {
  // On the scheduler's stack with a P: this worker is looking for work itself. If it finds none it waits for the timer, so
  // whether somebody else must is known only then (settle_timer).
  Worker* worker = this_worker();
  if (worker != nullptr && worker->proc != nullptr && worker->fiber == nullptr) {
    worker->owed_timer = std::min(worker->owed_timer, when);
    return;
  }
  tell_of_timer(s, when);
}

void tell_of_timer(Scheduler& s, std::int64_t when) {
  if (s.last_poll.load(std::memory_order_seq_cst) == 0) {
    const std::int64_t until = s.poll_until.load(std::memory_order_seq_cst);
    if (until == 0 || until > when) s.poller->interrupt();
  } else if (s.idle_proc_count.load(std::memory_order_seq_cst) != 0) {
    wake_one(s);  // it will find nothing, and become the one that waits for the timer
  }
}

// Worker::waits_pinned says, under s.lock, that the owner is counted as idle. Whoever gives it work takes it off the count
// in the same critical section: done by the owner, later, the giver could park in between and see a deadlock.
void start_pinned(Worker& worker, Fiber* fiber) {
  Scheduler& s = worker.scheduler;
  Worker* owner = fiber->extra->pinned_to;
  Processor* proc = release_proc(worker);
  {
    std::lock_guard guard(s.lock);
    owner->next_proc = proc;
    owner->next_fiber = fiber;
    if (std::exchange(owner->waits_pinned, false)) --s.idle_worker_count;
  }
  EventCounters::add(s.events.worker_wakes);
  owner->park.wake();
}

void wait_pinned(Worker& worker) {
  Scheduler& s = worker.scheduler;
  if (worker.proc != nullptr) hand_off_proc(s, release_proc(worker));
  if (worker.picked != nullptr) check(false, "a pinned worker picked another fiber");
  // Parks even if it has been given its fiber already: start_pinned()'s wake-up must not be left for stop_worker().
  for (bool given = false; !given;) {
    {
      std::lock_guard guard(s.lock);
      if (s.stopping.load(std::memory_order_seq_cst)) return;
      if (worker.next_fiber == nullptr) {
        // Not on the list of idle workers: only its own fiber wakes it.
        if (!std::exchange(worker.waits_pinned, true)) ++s.idle_worker_count;
        check_deadlock(s);
      }
    }
    worker.park.park();
    std::lock_guard guard(s.lock);
    given = worker.next_fiber != nullptr;
  }
  worker.next_fiber = nullptr;
  acquire_proc(worker, std::exchange(worker.next_proc, nullptr));
}

}  // namespace creel::sched
