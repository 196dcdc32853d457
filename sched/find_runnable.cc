// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A worker's loop: what to run next.
//
// Order of search, as Go's findRunnable: timers due; each 61st round the global queue, for fairness; the local queue; the
// global queue; the poller; then, if not too many others do so already, steal from other processors (their timers on the
// last try); then the idle protocol of idle.cc. Source: schedule, findRunnable, stealWork, runqsteal of runtime/proc.go.

#include <algorithm>
#include <array>
#include <utility>

#include "creel/sched/base/check.h"
#include "creel/sched/base/pause.h"
#include "creel/sched/hand_over.h"
#include "creel/sched/park.h"
#include "creel/sched/prefetch.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/spawn.h"
#include "creel/sched/thread_start.h"
#include "creel/tracer/hook.h"

namespace creel::sched {
namespace {

constexpr int kStealRounds = 4;
constexpr std::uint32_t kLeftAlone = 4;  // fibers in a queue that its owner will get to at once

// Moves a batch from the global queue to the worker's P and returns the first; null: empty. `limit` 0: a fair share.
Fiber* take_global(Worker& worker, std::uint32_t limit) {
  Scheduler& s = worker.scheduler;
  const std::int64_t size = s.global_queue.size();
  if (size <= 0) return nullptr;
  std::array<Fiber*, decltype(Processor::queue)::kBatch> batch;
  const std::int64_t share = size / s.procs.load(std::memory_order_relaxed) + 1;
  auto want = static_cast<std::uint32_t>(std::min<std::int64_t>(share, static_cast<std::int64_t>(batch.size())));
  if (limit != 0) want = std::min(want, limit);
  const std::uint32_t got = s.global_queue.pop(batch.data(), want);
  if (size > kManyFibers) prefetch_parked(batch.data(), got);
  for (std::uint32_t i = 1; i < got; ++i) enqueue(worker, batch[i], false);
  return got == 0 ? nullptr : batch[0];
}

void count_steal(Worker& worker, std::uint32_t fibers) noexcept {
  ProcCounters& counters = worker.processor()->counters;
  bump(counters.steals);
  bump(counters.stolen, fibers);
}

// Whether `victim` starts a fiber within a microsecond or two (Go sleeps for 3). Then what is next in line there is better off
// where it is: of fibers that keep readying each other one is always next, and taking it tears them apart for nothing.
bool keeps_switching(const Processor& victim) noexcept {
  if (victim.status.load(std::memory_order_relaxed) != tracer::ProcStatus::kRunning) return false;
  const std::uint32_t starts = victim.starts.load(std::memory_order_relaxed);
  pause_for(60);
  return victim.starts.load(std::memory_order_relaxed) != starts;
}

// Half of `victim`'s queue to the worker's P; returns one to run. `last`: also its runnext, and of a short queue.
Fiber* steal_from(Worker& worker, Processor& victim, bool last) {
  if (!last) {
    const std::uint32_t size = victim.queue.size();
    if (size == 0 || (size <= kLeftAlone && keeps_switching(victim))) return nullptr;
  }
  std::array<Fiber*, decltype(Processor::queue)::kBatch> batch;
  std::uint32_t count = victim.queue.grab(batch.data());
  if (count == 0) {
    if (!last) return nullptr;
    Fiber* next = victim.runnext.load(std::memory_order_relaxed);
    if (next == nullptr || keeps_switching(victim)) return nullptr;
    if (!victim.runnext.compare_exchange_strong(next, nullptr, std::memory_order_acq_rel)) return nullptr;
    count_steal(worker, 1);
    return next;
  }
  count_steal(worker, count);
  for (std::uint32_t i = 0; i + 1 < count; ++i) enqueue(worker, batch[i], false);
  return batch[count - 1];
}

Fiber* steal_work(Worker& worker) {
  Scheduler& s = worker.scheduler;
  Processor* own = worker.processor();
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  for (int round = 0; round < kStealRounds; ++round) {
    const bool last = round == kStealRounds - 1;
    const std::uint32_t offset = fast_random();
    for (std::uint32_t i = 0; i < made; ++i) {
      if (s.stopping.load(std::memory_order_relaxed)) return nullptr;
      Processor* victim = s.proc((offset + i) % made);
      if (victim == own) continue;
      if (last && run_timers(*victim)) {
        bool inherits = false;
        if (Fiber* fiber = take_local(s, *own, inherits)) return fiber;
      }
      if (Fiber* fiber = steal_from(worker, *victim, last)) return fiber;
    }
  }
  return nullptr;
}

// The slice is over: the fiber next in line would go on in it. It goes behind the others of the queue, which two fibers that
// keep readying each other would else keep waiting for ever.
void demote_next(Worker& worker) {
  Processor& proc = *worker.processor();
  if (Fiber* next = proc.runnext.exchange(nullptr, std::memory_order_acq_rel)) enqueue(worker, next, false);
}

void start_spinning(Worker& worker) {
  worker.spinning = true;
  worker.scheduler.spinning.fetch_add(1, std::memory_order_seq_cst);
}

void stop_spinning(Worker& worker) {
  worker.spinning = false;
  worker.scheduler.spinning.fetch_sub(1, std::memory_order_seq_cst);
}

// Whether a fiber waits in some queue.
bool work_waits(Scheduler& s) noexcept {
  if (s.global_queue.size() > 0) return true;
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < made; ++i) {
    const Processor* p = s.proc(i);
    // runnext first: a fiber displaced from it is in the ring by then.
    if (p->runnext.load(std::memory_order_seq_cst) != nullptr || !p->queue.empty()) return true;
  }
  return false;
}

// The earliest timer of all processors, or kNever.
std::int64_t earliest_timer(const Scheduler& s) noexcept {
  std::int64_t when = TimerHeap::kNever;
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < made; ++i) when = std::min(when, s.proc(i)->timers.next_when());
  return when;
}

// The worker has no P any more and nothing was found: last look for work that came in meanwhile (idle.cc, step 4).
// Returns a P to go on with, or null.
Processor* recheck(Scheduler& s, std::int64_t& timer_when) {
  timer_when = earliest_timer(s);
  if (!work_waits(s)) return nullptr;
  std::lock_guard guard(s.lock);
  return take_idle_proc(s);
}

// Blocks in the poller until an event or `when`. Returns a fiber to run (with a P acquired), or null: look again.
Fiber* wait_in_poller(Worker& worker, std::int64_t when, bool was_spinning) {
  Scheduler& s = worker.scheduler;
  const std::int64_t delay = when == TimerHeap::kNever ? -1 : std::max<std::int64_t>(0, when - now_ns());
  s.poll_until.store(when, std::memory_order_seq_cst);
  // After announcing poll_until: a timer armed earlier than that either is seen here or interrupts the poll.
  const std::int64_t again = earliest_timer(s);
  // Likewise the last waiting fiber that went: there would be nothing to wait for.
  const bool in_vain = again < when || (delay < 0 && !s.poller->has_waiters());
  Fiber* list = in_vain || s.stopping.load(std::memory_order_seq_cst) ? nullptr : s.poller->poll(delay);
  s.poll_until.store(0, std::memory_order_seq_cst);
  EventCounters::add(s.events.poll_wakes);
  s.last_poll.store(now_ns(), std::memory_order_seq_cst);
  if (s.stopping.load(std::memory_order_seq_cst)) return nullptr;
  Processor* proc = nullptr;
  {
    std::lock_guard guard(s.lock);
    proc = take_idle_proc(s);
  }
  if (proc == nullptr) {
    inject(worker, list, false);
    return nullptr;
  }
  acquire_proc(worker, proc);
  Fiber* first = inject(worker, list, true);
  if (was_spinning && first == nullptr) start_spinning(worker);
  return first;
}

// Somebody else has to wait for the timers this worker armed while it was looking for work: it has found some, or leaves
// the poller to another.
void settle_timer(Worker& worker) {
  if (worker.owed_timer == TimerHeap::kNever) [[likely]] return;
  tell_of_timer(worker.scheduler, std::exchange(worker.owed_timer, TimerHeap::kNever));
}

// Finds a fiber to run, waiting as long as it takes. Null: the runtime stops. On return the worker holds a P.
Fiber* find_runnable(Worker& worker) {
  Scheduler& s = worker.scheduler;
  bool timer_due = false;  // came back from the poller for a timer that somebody must fire: look on every P
  for (;;) {
    if (worker.proc != nullptr && clear_attention(*worker.processor())) demote_next(worker);
    // After clearing: whoever raises attention has set these before.
    if (s.stopping.load(std::memory_order_seq_cst)) return nullptr;
    if (worker.proc == nullptr) {
      stop_worker(worker);
      continue;
    }
    if (worker.next_fiber != nullptr) return std::exchange(worker.next_fiber, nullptr);
    if (worker.picked != nullptr) return std::exchange(worker.picked, nullptr);
    Processor& proc = *worker.processor();
    if (proc.retired.load(std::memory_order_seq_cst)) {
      empty_retired_proc(worker, &proc);
      continue;
    }

    run_timers(proc);
    bool inherits = false;
    if (proc.sched_tick.load(std::memory_order_relaxed) % kGlobalEvery == 0) {
      if (Fiber* fiber = take_global(worker, 1)) {
        count_start(proc, false);
        return fiber;
      }
    }
    if (Fiber* fiber = take_local(s, proc, inherits)) {
      count_start(proc, inherits);
      return fiber;
    }
    if (Fiber* fiber = take_global(worker, 0)) {
      count_start(proc, false);
      return fiber;
    }
    if (s.poller->has_waiters() && s.last_poll.load(std::memory_order_seq_cst) != 0) {
      if (Fiber* fiber = inject(worker, s.poller->poll(0), true)) {
        count_start(proc, false);
        return fiber;
      }
    }
    // At most half of the busy processors' number of thieves: more only heat the machine.
    const std::uint32_t procs = s.procs.load(std::memory_order_relaxed);
    if (worker.spinning || std::exchange(timer_due, false) ||
        2 * s.spinning.load(std::memory_order_relaxed) + s.idle_proc_count.load(std::memory_order_relaxed) < procs) {
      if (!worker.spinning) start_spinning(worker);
      if (Fiber* fiber = steal_work(worker)) {
        if (const std::uint32_t f = s.fruitless.load(std::memory_order_relaxed); f != 0) {
          s.fruitless.store(std::min(f, kFruitlessPatience) - 1, std::memory_order_relaxed);
        }
        count_start(proc, false);
        return fiber;
      }
    }

    // Nothing: give up the P (idle.cc, steps 1 to 4).
    release_proc(worker);
    {
      std::lock_guard guard(s.lock);
      put_idle_proc(s, &proc);
    }
    const bool was_spinning = worker.spinning;
    if (was_spinning) stop_spinning(worker);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // step 3: pairs with the submitters' exchange
    std::int64_t timer_when = TimerHeap::kNever;
    if (was_spinning) s.fruitless.fetch_add(1, std::memory_order_relaxed);
    if (Processor* again = recheck(s, timer_when)) {
      acquire_proc(worker, again);
      start_spinning(worker);
      continue;
    }
    if ((timer_when != TimerHeap::kNever || s.poller->has_waiters()) &&
        s.last_poll.exchange(0, std::memory_order_seq_cst) != 0) {
      worker.owed_timer = TimerHeap::kNever;  // waits itself: timer_when was read after the P was given up
      if (Fiber* fiber = wait_in_poller(worker, timer_when, was_spinning)) {
        worker.owed_timer = timer_when;  // it was to wait for that one, too
        count_start(*worker.processor(), false);
        return fiber;
      }
      timer_due = timer_when != TimerHeap::kNever;
      continue;
    }
    settle_timer(worker);
    stop_worker(worker);
  }
}

// Found something to run: no longer looking. If that was the last one looking, another must take over if there is more
// (idle.cc, step 5): who submitted before our step back and saw us look is found by work_waits(), who submits later wakes
// somebody itself. Or if nobody waits for the next timer or the network. (Go wakes another in any case; with one sleeping
// fiber on two Ps that was a wake for nothing per sleep.)
void reset_spinning(Worker& worker) {
  if (!worker.spinning) return;
  worker.spinning = false;
  Scheduler& s = worker.scheduler;
  const std::uint32_t before = s.spinning.fetch_sub(1, std::memory_order_seq_cst);
  if (before != 1 || s.idle_proc_count.load(std::memory_order_seq_cst) == 0) return;
  const auto to_wait_for = [&s] { return s.poller->has_waiters() || earliest_timer(s) != TimerHeap::kNever; };
  if (work_waits(s) || (s.last_poll.load(std::memory_order_seq_cst) != 0 && to_wait_for())) wake_one(s);
}

// Before a search under fuzzing, if there is any. Returns whether the search is the fuzzer's.
[[gnu::noinline]] bool disturb_search(Worker& worker) {
  Scheduler& s = worker.scheduler;
  if (s.deterministic()) return true;
  if (s.fuzz != nullptr) shuffle_queue(worker);
  return false;
}

// Runs `fiber` until this worker comes back to its own stack.
void run_fiber(Worker& worker, Fiber* fiber) {
  start_fiber(worker, fiber);
  worker.after = After::kNothing;
  Context& target = fiber->context();
  annotate_happens_before(&worker);
  switch_context(worker.context, target, &worker);
  annotate_happens_after(&worker);
  finish_switch(worker);
}

}  // namespace

bool run_timers(Processor& proc) {
  const std::int64_t when = proc.timers.next_when();
  if (when == TimerHeap::kNever) return false;
  const std::int64_t now = now_ns();
  return when <= now && proc.timers.run(now) != 0;
}

Fiber* inject(Worker& worker, Fiber* list, bool keep_first) {
  Fiber* first = nullptr;
  bool queued = false;
  std::uint64_t count = 0;
  for (; list != nullptr; ++count) {
    Fiber* fiber = list;
    list = list->next;
    mark_ready(worker, fiber);
    if (keep_first && first == nullptr) {
      first = fiber;
      continue;
    }
    queued = true;
    if (worker.proc != nullptr) {
      enqueue(worker, fiber, false);
    } else {
      worker.scheduler.global_queue.push(fiber);
    }
  }
  if (count != 0) EventCounters::add(worker.scheduler.events.poll_fibers, count);
  if (count > 1) EventCounters::add(worker.scheduler.events.poll_groups);
  if (queued) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // submit, then look for idle Ps (idle.cc, step 2)
    if (worker.scheduler.idle_proc_count.load(std::memory_order_seq_cst) != 0) wake_one(worker.scheduler);
  }
  return first;
}

void enqueue(Worker& worker, Fiber* fiber, bool next) {
  Processor& proc = *worker.processor();
  if (next) {
    Fiber* displaced = nullptr;
    if (alone(worker.scheduler)) {  // no thief, and no idle P: it is this worker's
      displaced = proc.runnext.load(std::memory_order_relaxed);
      proc.runnext.store(fiber, std::memory_order_relaxed);
    } else {
      // Acq_rel pairs with a stealer's compare-exchange; seq_cst, as the submitter then reads idle_proc_count (idle.cc).
      displaced = proc.runnext.exchange(fiber, std::memory_order_seq_cst);
    }
    if (displaced == nullptr) return;
    fiber = displaced;
  }
  while (!proc.queue.push(fiber)) {
    // Full: its oldest and the new one go to the global queue.
    std::array<Fiber*, decltype(Processor::queue)::kBatch + 1> batch;
    if (!proc.queue.pop_batch(batch.data())) continue;
    batch.back() = fiber;
    worker.scheduler.global_queue.push_batch(batch.data(), static_cast<std::uint32_t>(batch.size()));
    return;
  }
}

bool wait_for_locked_fiber(Worker& worker) {
  settle_timer(worker);
  wait_pinned(worker);
  return !worker.scheduler.stopping.load(std::memory_order_seq_cst);
}

void worker_main(Worker* worker) {
  ThreadStart thread(*worker);
  Scheduler& s = worker->scheduler;
  if (worker->boots) submit_fiber(s.boot.fiber, s.boot.callable, s.boot.site);
  for (;;) {
    if (worker->locked_fiber != nullptr) {
      if (!wait_for_locked_fiber(*worker)) break;
      run_fiber(*worker, worker->locked_fiber);
      continue;
    }
    bool by_seed = false;
    if (s.detour) [[unlikely]] by_seed = disturb_search(*worker);
    Fiber* fiber = by_seed ? s.fuzz->find(*worker) : find_runnable(*worker);
    if (fiber == nullptr) break;
    reset_spinning(*worker);
    settle_timer(*worker);
    if (fiber->pinned && fiber->extra->pinned_to != worker) {
      start_pinned(*worker, fiber);
      continue;
    }
    if (s.detour && !fiber->pinned && shall_migrate(s, *worker, *fiber)) {
      // Another thread runs it, on this P: works with one P too.
      Processor* proc = release_proc(*worker);
      start_worker(s, proc, false, fiber);
      continue;
    }
    run_fiber(*worker, fiber);
  }
}

}  // namespace creel::sched
