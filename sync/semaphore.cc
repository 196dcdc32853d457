// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Invariant: whenever lock_ is free, the first waiter asks for more than permits_. Who changes permits_ or the first
// waiter calls grant() before letting go.

#include "creel/sync/semaphore.h"

#include <limits>

#include "creel/sched/preempt.h"

namespace creel {

using sync::Outcome;
using sync::Waiter;
using sync::WakeList;

namespace {

void expect_count(std::int64_t count) {
  if (count < 0) [[unlikely]]
    sched::misuse("creel::Semaphore: negative number of permits");
}

}  // namespace

Semaphore::Semaphore(std::int64_t permits) : permits_(permits) { expect_count(permits); }

Semaphore::~Semaphore() { sync::expect_unused(queue_.empty(), "creel::Semaphore destroyed while fibers wait for it"); }

// Caller: holds lock_.
bool Semaphore::take(std::int64_t count) noexcept {
  if (!queue_.empty() || permits_ < count) return false;
  permits_ -= count;
  return true;
}

bool Semaphore::try_acquire(std::int64_t count) {
  expect_count(count);
  sched::safe_point();
  lock_.lock();
  const bool taken = take(count);
  lock_.unlock();
  return taken;
}

void Semaphore::acquire(std::int64_t count) {
  expect_count(count);
  sched::safe_point();
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] return sched::as_fiber("creel::Semaphore::acquire()", [&] { acquire(count); });
  Waiter self(fiber);
  self.amount = count;
  acquire_queued(self);
}

bool Semaphore::acquire_limit(const sync::Limit& limit, std::int64_t count) {
  if (try_acquire(count)) return true;
  if (limit.reached()) return false;
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] {
    return sched::as_fiber("creel::Semaphore::try_acquire_until()", [&] { return acquire_limit(limit, count); });
  }
  Waiter self(fiber);
  self.amount = count;
  if (limit.endless()) return acquire_queued(self);
  sync::Expiry expiry(self, lock_, &Semaphore::expire, this, limit);
  return acquire_queued(self);
}

bool Semaphore::acquire_queued(Waiter& self) {
  lock_.lock();
  if (const bool taken = take(self.amount); taken || self.expired) {
    lock_.unlock();
    return taken;
  }
  queue_.push_back(self);
  const void* object = sched::tag(this, sched::WaitKind::kSemaphore);
  return sync::park_waiter(self, lock_, sched::BlockReason::kSync, object) == Outcome::kDone;
}

// Serves waiters in order while permits last. Caller: holds lock_.
void Semaphore::grant(WakeList& wakes) {
  while (!queue_.empty() && queue_.front()->amount <= permits_) {
    Waiter& waiter = *queue_.pop_front();
    permits_ -= waiter.amount;
    waiter.decide(Outcome::kDone);
    wakes.add(waiter);
  }
}

bool Semaphore::expire(void* self, Waiter& waiter, WakeList& wakes) {
  auto& semaphore = *static_cast<Semaphore*>(self);
  semaphore.queue_.remove(waiter);
  semaphore.grant(wakes);  // those behind it may ask for less
  return true;
}

void Semaphore::release(std::int64_t count) {
  expect_count(count);
  sched::safe_point();
  WakeList wakes;
  lock_.lock();
  if (permits_ > std::numeric_limits<std::int64_t>::max() - count) {
    sched::misuse("creel::Semaphore: the number of permits overflows");
  }
  permits_ += count;
  grant(wakes);
  lock_.unlock();
  wakes.ready_all();
}

std::int64_t Semaphore::available() {
  lock_.lock();
  const std::int64_t permits = permits_;
  lock_.unlock();
  return permits;
}

}  // namespace creel
