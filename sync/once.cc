// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/once.h"

#include "creel/sched/preempt.h"

namespace creel {

using sync::Outcome;
using sync::Waiter;
using sync::WakeList;

Once::~Once() {
  static_assert(sizeof(holder_) == sizeof(sched::LockWord::holder) && sizeof(state_) == sizeof(sched::LockWord::state) &&
                sizeof(lock_) <= sizeof(sched::LockWord::unused));
  sync::expect_unused(queue_.empty(), "creel::Once destroyed while fibers wait for it");
}

Once::Turn Once::begin(const sync::Limit* limit) {
  sched::safe_point();
  Waiter self(sched::current_fiber_or_null());
  if (limit == nullptr) return begin_queued(self);
  if (sched::fiber_here() == nullptr) [[unlikely]] {
    // Who has to wait is a fiber until the Expiry is gone, which another thread may be at.
    lock_.lock();
    const State state = state_.load(std::memory_order_relaxed);
    if (state == State::kNew) state_.store(State::kRunning, std::memory_order_relaxed);
    lock_.unlock();
    if (state != State::kRunning) return state == State::kNew ? Turn::kRun : Turn::kDone;
    return sched::as_fiber("creel::Once::call()", [&] { return begin(limit); });
  }
  const sync::Expiry expiry(self, lock_, &Once::expire, this, *limit);
  return begin_queued(self);
}

Once::Turn Once::begin_queued(Waiter& self) {
  lock_.lock();
  const State state = state_.load(std::memory_order_relaxed);
  if (state != State::kRunning || self.expired) {
    if (state == State::kNew) state_.store(State::kRunning, std::memory_order_relaxed);
    lock_.unlock();
    return state == State::kNew ? Turn::kRun : state == State::kDone ? Turn::kDone : Turn::kEnded;
  }
  self.fiber = sched::fiber_here();  // only who has to wait must be a fiber
  if (self.fiber == nullptr) [[unlikely]] {
    lock_.unlock();  // no waiting for a processor with it held
    return sched::as_fiber("creel::Once::call()", [&] { return begin_queued(self); });
  }
  queue_.push_back(self);
  switch (sync::park_waiter(self, lock_, sched::BlockReason::kSync, this)) {
    case Outcome::kRetry:  // it threw, and this fiber, the first in the queue, is to run it now
      return Turn::kRun;
    case Outcome::kTimedOut:
      return Turn::kEnded;
    default:
      return Turn::kDone;
  }
}

bool Once::expire(void* self, Waiter& waiter, WakeList&) {
  static_cast<Once*>(self)->queue_.remove(waiter);
  return true;
}

void Once::end(bool success) {
  WakeList wakes;
  lock_.lock();
  if (success) {
    state_.store(State::kDone, std::memory_order_release);  // pairs with the acquire in done()
    while (Waiter* waiter = queue_.pop_front()) {
      waiter->decide(Outcome::kDone);
      wakes.add(*waiter);
    }
  } else if (Waiter* waiter = queue_.pop_front()) {
    holder_.store(0, std::memory_order_relaxed);  // until it runs
    waiter->decide(Outcome::kRetry);  // state_ stays kRunning: the turn is passed on
    wakes.add(*waiter);
  } else {
    state_.store(State::kNew, std::memory_order_relaxed);
  }
  lock_.unlock();
  wakes.ready_all();
}

}  // namespace creel
