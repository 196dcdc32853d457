// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Counter and number of waiters share one word, so that the done() that reaches zero learns from the same step whether
// anybody waits. Nobody: it touches the group no more, as the group may be destroyed at once. Somebody: those waiters
// cannot return before it has woken them, so the group lives. For that a waiter whose time is up stays queued once the
// counter is zero: it is about to be woken, successfully.

#include "creel/sync/wait_group.h"

#include "creel/sched/preempt.h"

namespace creel {

using sync::Outcome;
using sync::Waiter;
using sync::WakeList;

namespace {

constexpr int kCounterShift = 32;

std::int32_t counter_of(std::uint64_t state) noexcept { return static_cast<std::int32_t>(state >> kCounterShift); }
std::uint32_t waiters_of(std::uint64_t state) noexcept { return static_cast<std::uint32_t>(state); }

}  // namespace

WaitGroup::~WaitGroup() { sync::expect_unused(queue_.empty(), "creel::WaitGroup destroyed while fibers wait for it"); }

void WaitGroup::add(std::int32_t delta) {
  const std::uint64_t change = static_cast<std::uint64_t>(static_cast<std::int64_t>(delta)) << kCounterShift;
  // Release: what happened before done() is seen after wait(). Acquire: by the waker on behalf of all other done()s.
  const std::uint64_t state = state_.fetch_add(change, std::memory_order_acq_rel) + change;
  const std::int32_t counter = counter_of(state);
  if (counter < 0) [[unlikely]] {
    sched::misuse(delta < 0 ? "creel::WaitGroup: negative counter (more done() than add())"
                            : "creel::WaitGroup: counter overflow");
  }
  if (waiters_of(state) == 0) return;
  if (delta > 0 && counter == delta) [[unlikely]] {
    sched::misuse("creel::WaitGroup: add() from zero while fibers still wait; it must happen before wait()");
  }
  if (counter > 0) return;

  WakeList wakes;
  lock_.lock();
  while (Waiter* waiter = queue_.pop_front()) {
    waiter->decide(Outcome::kDone);
    wakes.add(*waiter);
  }
  state_.fetch_sub(waiters_of(state), std::memory_order_relaxed);
  lock_.unlock();
  wakes.ready_all();
}

void WaitGroup::wait() {
  sched::safe_point();
  // Acquire pairs with the release in add().
  if (counter_of(state_.load(std::memory_order_acquire)) == 0) return;
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] return sched::as_fiber("creel::WaitGroup::wait()", [this] { wait(); });
  Waiter self(fiber);
  wait_queued(self);
}

bool WaitGroup::wait_limit(const sync::Limit& limit) {
  sched::safe_point();
  // Acquire pairs with the release in add().
  if (counter_of(state_.load(std::memory_order_acquire)) == 0) return true;
  if (limit.reached()) return false;
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] return sched::as_fiber("creel::WaitGroup::wait_until()", [&] { return wait_limit(limit); });
  Waiter self(fiber);
  if (limit.endless()) return wait_queued(self);
  sync::Expiry expiry(self, lock_, &WaitGroup::expire, this, limit);
  return wait_queued(self);
}

bool WaitGroup::wait_queued(Waiter& self) {
  lock_.lock();
  std::uint64_t old = state_.load(std::memory_order_acquire);  // pairs with the release in add()
  do {
    if (counter_of(old) == 0 || self.expired) {
      lock_.unlock();
      return counter_of(old) == 0;
    }
  } while (!state_.compare_exchange_weak(old, old + 1, std::memory_order_acquire, std::memory_order_acquire));
  queue_.push_back(self);
  const void* object = sched::tag(this, sched::WaitKind::kWaitGroup);
  return sync::park_waiter(self, lock_, sched::BlockReason::kSync, object) == Outcome::kDone;
}

bool WaitGroup::expire(void* self, Waiter& waiter, WakeList&) {
  auto& group = *static_cast<WaitGroup*>(self);
  std::uint64_t old = group.state_.load(std::memory_order_relaxed);
  do {
    if (counter_of(old) == 0) return false;
  } while (!group.state_.compare_exchange_weak(old, old - 1, std::memory_order_relaxed));
  group.queue_.remove(waiter);
  return true;
}

}  // namespace creel
