// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Protocol of state_:
//  1. Normal mode: kLocked is taken by compare-exchange by anyone while it is clear.
//  2. unlock() clears kLocked by a compare-exchange that proves either that nobody waits, or that kWoken is set, or it
//     sets kWoken itself in the same step, takes the first waiter off and wakes it. So at every moment with the lock
//     free and the queue not empty the owner of kWoken is on its way. Broken: waiters sleep beside a free lock.
//  3. The owner of kWoken clears it when it takes the lock, queues again, or gives up at its deadline. It gives up only
//     by a compare-exchange that proves the lock is still held by another.
//  4. kStarving implies kLocked and kWaiters. Starvation mode: unlock() leaves kLocked set, on behalf of the first
//     waiter, which it takes off. Who takes the last waiter off clears kStarving with kWaiters.
//  5. After another fiber may have locked, unlocked and destroyed the mutex, unlock() does not touch it. Its last touch
//     is one of two: the compare-exchange that clears kLocked, without queue_lock_; or, where it has taken a waiter
//     off, queue_lock_.unlock(), before it makes that waiter ready: until then a lock() is running. So kLocked is never
//     cleared while queue_lock_ is held but together with taking a waiter off: if under queue_lock_ there proves to be
//     nobody to wake (a deadline), unlock() first lets go of queue_lock_, while it still owns kLocked.
//     Broken: a write to freed memory.
//  6. The other users of queue_lock_ are calls of lock() that have not returned: the park's commit, whose last touch is
//     to release it, and the timer's function, which the waiting frame waits for (wait_queue.h, 4).

#include "creel/sync/mutex.h"

#include <chrono>
#include <optional>

namespace creel {

namespace {

using sync::Clock;
using sync::Outcome;
using sync::Waiter;

constexpr std::chrono::milliseconds kStarvationThreshold{1};
constexpr std::chrono::microseconds kPatience{20};

std::int64_t now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

// `amount` holds the time its wait began; 0: it has not waited yet.
bool is_starving(const Waiter& waiter) noexcept {
  return waiter.amount != 0 && now_ns() - waiter.amount > std::chrono::nanoseconds(kStarvationThreshold).count();
}

}  // namespace

Mutex::~Mutex() {
  static_assert(sizeof(holder_) == sizeof(sched::LockWord::holder) && sizeof(state_) == sizeof(sched::LockWord::state) &&
                sizeof(queue_lock_) <= sizeof(sched::LockWord::unused) && kLocked == sched::LockWord::kHeld);
  sync::expect_unused(queue_.empty(), "creel::Mutex destroyed while fibers wait for it");
}

bool Mutex::try_lock() noexcept {
  sched::safe_point();
  std::uint32_t old = state_.load(std::memory_order_relaxed);
  while ((old & kLocked) == 0) {
    // Acquire pairs with the release in unlock().
    if (state_.compare_exchange_weak(old, old | kLocked, std::memory_order_acquire, std::memory_order_relaxed)) {
      holder_.store(CREEL_FRAME_ADDRESS(), std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

bool Mutex::lock_limit(const sync::Limit& limit) {
  const bool locked = lock_slow(limit.endless() ? nullptr : &limit);
  if (locked) holder_.store(CREEL_FRAME_ADDRESS(), std::memory_order_relaxed);
  return locked;
}

bool Mutex::lock_slow(const sync::Limit* limit) {
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] return sched::as_fiber("creel::Mutex::lock()", [&] { return lock_slow(limit); });
  Waiter self(fiber);
  if (limit == nullptr) return lock_loop(self, false);
  if (limit->reached()) return try_lock();
  sync::Expiry expiry(self, queue_lock_, &Mutex::expire, this, *limit);
  return lock_loop(self, true);
}

bool Mutex::lock_loop(Waiter& self, bool timed) {
  bool awoke = false;     // this fiber owns kWoken
  bool starving = false;  // it has waited for longer than the threshold
  bool expired = false;   // its time is up
  int spins = 0;
  bool patient = false;  // just woken after the threshold: see await_release()
  std::uint32_t old = state_.load(std::memory_order_relaxed);
  for (;;) {
    if ((old & (kLocked | kStarving)) == kLocked && !expired && sched::can_spin(spins)) {
      if (!awoke && (old & (kWoken | kWaiters)) == kWaiters &&
          state_.compare_exchange_strong(old, old | kWoken, std::memory_order_relaxed)) {
        awoke = true;
      }
      sched::do_spin();
      ++spins;
      old = state_.load(std::memory_order_relaxed);
      continue;
    }
    if (patient && !expired && (old & (kLocked | kStarving)) == kLocked) {
      patient = false;
      old = await_release();
      continue;
    }
    const std::uint32_t without_woken = awoke ? old & ~kWoken : old;
    if ((old & kLocked) == 0) {
      // Acquire pairs with the release in unlock().
      if (state_.compare_exchange_weak(old, without_woken | kLocked, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return true;
      }
      continue;
    }
    if (expired) {
      if (!awoke || state_.compare_exchange_weak(old, without_woken, std::memory_order_relaxed)) return false;
      continue;
    }

    queue_lock_.lock();
    const std::uint32_t wanted = without_woken | kWaiters | (starving ? kStarving : 0);
    expired = timed && self.expired;
    // `old` may be outdated: the exchange proves that the lock is still taken, or this fiber must not sleep.
    if (expired || !state_.compare_exchange_strong(old, wanted, std::memory_order_relaxed)) {
      queue_lock_.unlock();
      continue;
    }
    self.outcome.store(Outcome::kWaiting, std::memory_order_relaxed);
    if (self.amount != 0) {
      queue_.push_front(self);  // it was first before
    } else {
      self.amount = now_ns();
      queue_.push_back(self);
    }
    switch (sync::park_waiter(self, queue_lock_, sched::BlockReason::kSync, sched::tag(this, sched::WaitKind::kMutex))) {
      case Outcome::kDone:  // handed over, kLocked set by the unlocker
        return true;
      case Outcome::kTimedOut:
        return false;
      default:
        break;
    }
    awoke = true;
    starving = starving || is_starving(self);
    patient = starving;
    spins = 0;
    old = state_.load(std::memory_order_relaxed);
  }
}

// Looks for a while longer before the caller puts the mutex in starvation mode, which lasts until who waits has waited
// for less than the threshold: where the queue is long, until it is empty. The holder may merely have been interrupted.
std::uint32_t Mutex::await_release() const noexcept {
  std::uint32_t state = state_.load(std::memory_order_relaxed);
  if (!sched::others_run()) return state;
  const std::int64_t end = now_ns() + std::chrono::nanoseconds(kPatience).count();
  do {
    sched::do_spin();
    state = state_.load(std::memory_order_relaxed);
  } while ((state & (kLocked | kStarving)) == kLocked && now_ns() < end);
  return state;
}

bool Mutex::expire(void* self, Waiter& waiter, sync::WakeList&) {
  auto& mutex = *static_cast<Mutex*>(self);
  mutex.queue_.remove(waiter);
  if (mutex.queue_.empty()) mutex.state_.fetch_and(~(kWaiters | kStarving), std::memory_order_relaxed);
  return true;
}

void Mutex::unlock_slow() {
  std::uint32_t old = state_.load(std::memory_order_relaxed);
  for (;;) {
    if ((old & kLocked) == 0) sched::misuse("unlock() of a creel::Mutex that is not locked");
    if (!must_wake(old)) {
      // The last touch. Release pairs with the acquire of whoever takes the lock next.
      if (state_.compare_exchange_weak(old, old & ~kLocked, std::memory_order_release, std::memory_order_relaxed)) {
        return;
      }
      continue;
    }

    queue_lock_.lock();
    old = state_.load(std::memory_order_relaxed);
    while (must_wake(old)) {
      Waiter& first = *queue_.front();
      const bool starving = (old & kStarving) != 0;
      std::uint32_t next = queue_.has_one() ? old & ~(kWaiters | kStarving) : old;
      if (!starving) {
        next = (next & ~kLocked) | kWoken;
      } else {
        if (!is_starving(first)) next &= ~kStarving;
        holder_.store(0, std::memory_order_relaxed);  // until the next holder runs
      }
      // Release as above; a hand-over is passed on by decide().
      if (!state_.compare_exchange_weak(old, next, std::memory_order_release, std::memory_order_relaxed)) continue;
      queue_.pop_front();
      first.decide(starving ? Outcome::kDone : Outcome::kRetry);
      sched::Fiber* fiber = first.fiber;
      queue_lock_.unlock();  // the last touch
      if (starving && sched::fiber_here() != nullptr) {
        sched::ready_and_yield(fiber);
      } else {
        sched::ready(fiber);
      }
      return;
    }
    queue_lock_.unlock();  // still the owner of kLocked: start over
  }
}

}  // namespace creel
