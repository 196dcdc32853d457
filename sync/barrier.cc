// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/barrier.h"

#include <utility>

#include "creel/sched/preempt.h"

namespace creel {

using sync::Outcome;
using sync::Waiter;
using sync::WakeList;

static constexpr const char* kWait = "creel::Barrier::arrive_and_wait()";

Barrier::Barrier(std::size_t count, std::function<void()> completion)
    : count_(count), completion_(std::move(completion)) {
  if (count == 0) sched::misuse("creel::Barrier for zero fibers");
}

Barrier::~Barrier() { sync::expect_unused(queue_.empty(), "creel::Barrier destroyed while fibers wait for it"); }

bool Barrier::arrive_and_wait() {
  sched::safe_point();
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] return sched::as_fiber(kWait, [this] { return arrive_and_wait(); });
  Waiter self(fiber);
  return *arrive(self);
}

std::optional<bool> Barrier::arrive_and_wait(const Context& context) {
  const sync::Limit limit(context);
  if (limit.endless()) return arrive_and_wait();
  sched::safe_point();
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] return sched::as_fiber(kWait, [&] { return arrive_and_wait(context); });
  Waiter self(fiber);
  const sync::Expiry expiry(self, lock_, &Barrier::expire, this, limit);
  return arrive(self);
}

std::optional<bool> Barrier::arrive(Waiter& self) {
  lock_.lock();
  if (count_ == 0) sched::misuse("creel::Barrier: arrival after every fiber has dropped out");
  if (arrived_ + 1 == count_) {
    complete_phase();
    return true;
  }
  if (self.expired) {
    lock_.unlock();
    return std::nullopt;
  }
  ++arrived_;
  queue_.push_back(self);
  const void* object = sched::tag(this, sched::WaitKind::kBarrier);
  if (sync::park_waiter(self, lock_, sched::BlockReason::kSync, object) == Outcome::kTimedOut) return std::nullopt;
  return false;
}

bool Barrier::expire(void* self, Waiter& waiter, WakeList&) {
  auto& barrier = *static_cast<Barrier*>(self);
  barrier.queue_.remove(waiter);
  --barrier.arrived_;
  return true;
}

void Barrier::arrive_and_drop() {
  sched::safe_point();
  lock_.lock();
  if (count_ == 0) sched::misuse("creel::Barrier: more fibers drop out than take part");
  --count_;
  if (arrived_ == count_) {
    complete_phase();
  } else {
    lock_.unlock();
  }
}

void Barrier::complete_phase() {
  // The waiters are taken off first: fibers that arrive while the completion runs belong to the next phase. Whoever was
  // waiting is decided and readied last, also when the completion throws.
  struct Release {
    ~Release() {
      wakes.decide_all(Outcome::kDone);
      wakes.ready_all();
    }
    WakeList wakes;
  } release;
  arrived_ = 0;
  while (Waiter* waiter = queue_.pop_front()) release.wakes.add(*waiter);
  lock_.unlock();
  if (completion_) completion_();
}

}  // namespace creel
