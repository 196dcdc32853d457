// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Runs that a seed determines: one worker with the one P, no monitor, virtual time, one place where choices are made.
//
// Invariants:
//  1. Every choice is made on the worker from random(), and nothing it depends on (order of runnable_, counts, virtual time) comes
//     from real time, addresses, ids of threads, or whether the run is traced. Fiber ids count from the main fiber's.
//  2. Every runnable fiber is in runnable_ when choose() is called: collect() takes them from the places where the rest of the
//     scheduler puts them.
//  3. Virtual time never goes back, and leaps only when no fiber is runnable, or those that are do nothing but yield.
//  4. All of this belongs to the holder of the P: the worker, or a thread outside (outside.h) for the time of a call.
// What comes from outside (descriptors, blocking sections, other threads) breaks 1 and is told of (Fuzz::tell_of).

#include <algorithm>
#include <array>
#include <limits>
#include <mutex>
#include <utility>

#include "creel/sched/hand_over.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"

namespace creel::sched {

namespace {

constexpr std::int64_t kTick = 100;                   // ns of virtual time per decision and look at the clock
constexpr std::uint32_t kPollEvery = 61;              // decisions between looks at the network
constexpr std::int64_t kPollBeforeLeap = 10'000'000;  // ns of real time the network has before virtual time goes on without it
constexpr std::uint32_t kPatience = 1000;             // kPct: safe points before a fiber that nothing stops is made to wait

// Not once the run is over: a worker that was given up may still come by.
void move_time(std::int64_t ns) noexcept {
  std::int64_t now = g_virtual_now.load(std::memory_order_relaxed);
  if (now != 0) g_virtual_now.compare_exchange_strong(now, now + ns, std::memory_order_relaxed);
}

bool timer_is_due(const Processor& proc) noexcept {
  const std::int64_t when = proc.timers.next_when();
  return when != TimerHeap::kNever && when <= g_virtual_now.load(std::memory_order_relaxed);
}

}  // namespace

std::int64_t look_at_virtual_time() noexcept {
  if (this_worker() != nullptr) move_time(kTick);
  return g_virtual_now.load(std::memory_order_relaxed);
}

void Fuzz::collect(Worker& worker) {
  Processor& proc = *worker.processor();
  bool inherits = false;
  while (Fiber* fiber = take_local(worker.scheduler, proc, inherits)) runnable_.push_back(fiber);
  std::array<Fiber*, 64> batch;
  while (worker.scheduler.global_queue.size() > 0) {
    const std::uint32_t got = worker.scheduler.global_queue.pop(batch.data(), batch.size());
    runnable_.insert(runnable_.end(), batch.begin(), batch.begin() + got);
  }
}

std::int64_t Fuzz::priority(const Fiber& fiber) const noexcept {
  if (const auto found = lowered_.find(fiber.id); found != lowered_.end()) return found->second;
  // By place in the order of birth: ids go on counting from run to run. Positive, so above all lowered ones.
  std::uint64_t x = (config_.seed ^ (fiber.id - first_id_ + 1) * 0x9E3779B97F4A7C15ULL) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 29)) * 0x94D049BB133111EBULL;
  return static_cast<std::int64_t>(x >> 2);
}

void Fuzz::lower(const Fiber& fiber) {
  constexpr std::size_t kMany = 1 << 16;  // entries of ended fibers are not worth more memory than that
  if (lowered_.size() >= kMany) lowered_.clear();
  lowered_[fiber.id] = --lowest_;
}

bool Fuzz::is_change_point() noexcept {
  ++decisions_;
  return config_.mode == FuzzMode::kPct && (decisions_ == change_at_[0] || decisions_ == change_at_[1]);
}

std::size_t Fuzz::highest() const noexcept {
  std::size_t best = 0;
  for (std::size_t i = 1; i < runnable_.size(); ++i) {
    if (priority(*runnable_[i]) > priority(*runnable_[best])) best = i;
  }
  return best;
}

Fiber* Fuzz::choose() {
  const std::size_t index = config_.mode == FuzzMode::kPct ? highest() : random() % runnable_.size();
  Fiber* fiber = runnable_[index];
  runnable_[index] = runnable_.back();
  runnable_.pop_back();
  points_ = 0;
  return fiber;
}

bool Fuzz::stop_deterministic(Worker& worker, bool edge) {
  const Fiber& self = *worker.running();
  // An edge may lie between a lock of the thread's and its unlock.
  if (edge && self.extra != nullptr && self.extra->pin_depth != 0) return false;
  constexpr std::uint64_t kEdges = 64;
  if (edge && random() % kEdges != 0) return false;
  move_time(kTick);
  const bool change = is_change_point();
  ++points_;
  if (change || (config_.mode == FuzzMode::kPct && points_ > kPatience)) lower(self);
  if (timer_is_due(*worker.processor())) return true;
  if (points_ % kPollEvery == 0 && worker.scheduler.poller->has_waiters()) return true;
  collect(worker);
  if (runnable_.empty()) return false;
  if (config_.mode == FuzzMode::kPct) return priority(*runnable_[highest()]) > priority(self);
  return (random() & stop_mask_) == 0;
}

bool Fuzz::run_due_timers(Worker& worker, bool leap) {
  Processor& proc = *worker.processor();
  const std::int64_t when = proc.timers.next_when();
  if (when == TimerHeap::kNever) return false;
  if (leap && when > g_virtual_now.load(std::memory_order_relaxed)) g_virtual_now.store(when, std::memory_order_relaxed);
  run_timers(proc);
  return true;
}

void Fuzz::poll(Worker& worker, std::int64_t wait_ns) {
  tell_of(Outside::kNetwork);
  static_cast<void>(inject(worker, worker.scheduler.poller->poll(wait_ns), false));
}

void Fuzz::go_idle(Worker& worker) {
  Scheduler& s = worker.scheduler;
  Processor* proc = release_proc(worker);
  {
    std::lock_guard guard(s.lock);
    put_idle_proc(s, proc);
  }
  // Woken to look for work, by a thread outside that gave up the P.
  if (std::exchange(worker.spinning, false)) s.spinning.fetch_sub(1, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // idle.cc, step 3: pairs with the submitters' exchange
  if (s.global_queue.size() > 0) {
    std::lock_guard guard(s.lock);
    proc = take_idle_proc(s);
    if (proc == nullptr) return;  // somebody wakes this worker with it
    acquire_proc(worker, proc);
    return;
  }
  stop_worker(worker);  // reports a deadlock if there is one
}

Fiber* Fuzz::find(Worker& worker) {
  Scheduler& s = worker.scheduler;
  if (worker.proc != nullptr) {  // else a thread outside has it, and with it this object
    if (first_id_ == 0) first_id_ = s.boot.fiber->id;
    // What the fiber that ran last did: yield, or something of consequence?
    if (worker.after == After::kLocal) {
      ++fruitless_yields_;
    } else if (worker.after != After::kGlobal) {
      fruitless_yields_ = 0;
    }
  }
  for (;;) {
    if (worker.proc != nullptr) clear_attention(*worker.processor());
    // After clearing: whoever raises attention has set it before.
    if (s.stopping.load(std::memory_order_seq_cst)) return nullptr;
    if (worker.proc == nullptr) {
      stop_worker(worker);
      continue;
    }
    move_time(kTick);
    s.coarse_now.store(g_virtual_now.load(std::memory_order_relaxed), std::memory_order_relaxed);
    if (is_change_point() && worker.previous != nullptr && worker.after != After::kExit) lower(*worker.previous);
    collect(worker);
    const bool only_yields = fruitless_yields_ > 2 * runnable_.size() + 16;
    if (only_yields) fruitless_yields_ = 0;
    run_due_timers(worker, only_yields);
    if (s.poller->has_waiters() && decisions_ % kPollEvery == 0) poll(worker, 0);
    collect(worker);
    if (!runnable_.empty()) {
      count_start(*worker.processor(), false);
      return choose();
    }
    if (s.poller->has_waiters()) {
      // Descriptors may answer at once, so time does not leap over them at once.
      poll(worker, kPollBeforeLeap);
      collect(worker);
      if (!runnable_.empty()) continue;
    }
    if (run_due_timers(worker, true) || s.poller->has_waiters()) continue;
    go_idle(worker);
  }
}

}  // namespace creel::sched
