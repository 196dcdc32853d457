// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A waiter is queued first, then the caller's lock is released (user code, may park), then the fiber parks. A
// notification in between finds `parked` false: it decides the waiter but must not ready() a fiber that still runs;
// park() then sees the decision under the lock and returns at once.

#include "creel/sync/cond_var.h"

#include "creel/sched/preempt.h"

namespace creel {

using sync::Outcome;
using sync::Waiter;
using sync::WakeList;

CondVar::~CondVar() { sync::expect_unused(queue_.empty(), "creel::CondVar destroyed while fibers wait for it"); }

void CondVar::enqueue(Waiter& self) noexcept {
  lock_.lock();
  self.parked = false;
  self.amount = ++queued_;
  queue_.push_back(self);
  lock_.unlock();
}

void CondVar::withdraw(Waiter& self) noexcept {
  // Decided: off the queue, and the condition variable may be gone already.
  if (self.result() != Outcome::kWaiting) return;
  lock_.lock();
  if (self.queued) queue_.remove(self);
  lock_.unlock();
}

Outcome CondVar::park(Waiter& self) {
  sched::safe_point();  // here rather than on entry of wait(): the caller's lock is not held
  lock_.lock();
  if (self.result() != Outcome::kWaiting) {
    lock_.unlock();
    return self.result();
  }
  self.parked = true;
  return sync::park_waiter(self, lock_, sched::BlockReason::kCond, sched::tag(this, sched::WaitKind::kCondVar));
}

bool CondVar::expire(void* self, Waiter& waiter, WakeList&) {
  static_cast<CondVar*>(self)->queue_.remove(waiter);
  return true;
}

void CondVar::notify_one() {
  sched::safe_point();
  if (queue_.empty_hint()) return;
  WakeList wakes;
  lock_.lock();
  if (Waiter* waiter = queue_.pop_front()) {
    const bool parked = waiter->parked;  // read first: decided and not parked, it may leave at once
    if (parked) wakes.add(*waiter);
    waiter->decide(Outcome::kDone);
  }
  lock_.unlock();
  wakes.ready_all();
}

// In portions, so that a Waiter and its fiber are still near when they are readied, others need not wait for the lock, and
// the first fibers run soon. Who begins to wait after the call began is not meant.
void CondVar::notify_all() {
  constexpr int kPortion = 64;
  sched::safe_point();
  if (queue_.empty_hint()) return;
  bool first = true;
  lock_.lock();
  for (const std::int64_t last = queued_;; first = false) {
    WakeList wakes;
    int taken = 0;
    while (taken < kPortion && !queue_.empty() && queue_.front()->amount <= last) {
      Waiter* waiter = queue_.pop_front();
      ++taken;
      const bool parked = waiter->parked;
      if (parked) {
        __builtin_prefetch(waiter->fiber, 1);
        wakes.add(*waiter);
      }
      waiter->decide(Outcome::kDone);
    }
    const bool done = queue_.empty() || queue_.front()->amount > last;
    lock_.unlock();
    wakes.ready_all(first);
    if (done) return;  // those just woken may have destroyed the CondVar
    lock_.lock();
  }
}

}  // namespace creel
