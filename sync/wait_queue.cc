// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/wait_queue.h"

#include "creel/sync/cancel_node.h"

namespace creel::sync {

std::size_t WaitQueue::size() const noexcept {
  std::size_t count = 0;
  for (const Waiter* waiter = front(); waiter != nullptr; waiter = waiter->next) ++count;
  return count;
}

void WaitQueue::push_front(Waiter& waiter) noexcept {
  waiter.queued = true;
  waiter.prev = nullptr;
  waiter.next = front();
  if (waiter.next != nullptr) {
    waiter.next->prev = &waiter;
  } else {
    tail_ = &waiter;
  }
  head_.store(&waiter, std::memory_order_relaxed);
}

Waiter* WaitQueue::claim_from(Waiter* waiter) noexcept {
  for (; waiter != nullptr; waiter = pop_front()) {
    if (waiter->select == nullptr) return waiter;
    // A select that lost the claim still waits for this queue's lock to take its Waiter off, so both are alive here.
    if (waiter->select->claim()) {
      waiter->select->winner.store(waiter, std::memory_order_release);  // pairs with the acquire in select.cc
      return waiter;
    }
  }
  return nullptr;
}

void WaitQueue::remove(Waiter& waiter) noexcept {
  sched::dcheck(waiter.queued, "wait queue: removing a waiter that is not queued");
  waiter.queued = false;
  if (waiter.prev != nullptr) {
    waiter.prev->next = waiter.next;
  } else {
    head_.store(waiter.next, std::memory_order_relaxed);
  }
  if (waiter.next != nullptr) {
    waiter.next->prev = waiter.prev;
  } else {
    tail_ = waiter.prev;
  }
  waiter.next = waiter.prev = nullptr;
}

void WakeList::add(Waiter& waiter) noexcept {
  waiter.next = nullptr;
  if (tail_ != nullptr) {
    tail_->next = &waiter;
  } else {
    head_ = &waiter;
  }
  tail_ = &waiter;
}

void WakeList::decide_all(Outcome outcome) noexcept {
  for (Waiter* waiter = head_; waiter != nullptr; waiter = waiter->next) waiter->decide(outcome);
}

void WakeList::ready_all(bool alone) {
  const bool single = alone && head_ == tail_;
  for (Waiter* waiter = head_; waiter != nullptr;) {
    Waiter* next = waiter->next;  // read first: after ready() the Waiter's frame may be gone
    sched::ready(waiter->fiber, single);
    waiter = next;
  }
  head_ = tail_ = nullptr;
}

Expiry::Expiry(Waiter& waiter, SpinLock& lock, Expire expire, void* object, const Limit& limit)
    : waiter_(waiter),
      lock_(lock),
      expire_(expire),
      object_(object),
      context_(limit.context),
      hook_(CancelHook::Kind::kCall, this, [](void* self) { static_cast<Expiry*>(self)->reach(); }),
      timer_([](sched::Timer&, void* self) { static_cast<Expiry*>(self)->reach(); }, this) {
  if (limit.deadline != Clock::time_point::max()) timer_.start(limit.deadline);
  if (context_ != nullptr && !context_->watch(hook_)) reach();
}

Expiry::~Expiry() {
  if (context_ != nullptr) context_->forget(hook_);
  timer_.stop();
  if (wake_comes_) sched::wake_came();
}

void Expiry::reach() {
  WakeList wakes;
  lock_.lock();
  if (!waiter_.queued) {
    waiter_.expired = true;  // not queued yet, or decided already, which then counts
    // By a thread outside, maybe, that creel knows of only when it wakes the fiber: with the timer gone, no deadlock.
    if (!wake_comes_ && waiter_.result() != Outcome::kWaiting) wake_comes_ = sched::wake_is_coming();
  } else if (expire_(object_, waiter_, wakes)) {
    waiter_.decide(Outcome::kTimedOut);
    if (waiter_.parked) wakes.add(waiter_);
  }
  lock_.unlock();
  wakes.ready_all();
}

}  // namespace creel::sync
