// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Mutual exclusion between fibers.
//
//   creel::Mutex mutex;
//   std::unique_lock lock(mutex);
//
// Fairness: in normal mode a fiber that runs may take the lock before one just woken (fast: no switch). A waiter that
// did not get it for 1 ms, and then not within 20 us of being woken, puts the mutex into starvation mode: each unlock()
// hands the lock to the first waiter and the rest of the time slice with it, until the waiter served is the last one or
// waited less than 1 ms. Cost: an uncontended lock() and unlock() are one atomic read-modify-write each. Not recursive.
// May be unlocked by another fiber than the one that locked it. Constant-initialised, so usable as a static.
//
// Lifetime: as for std::mutex, a fiber that has locked and unlocked it, and knows that nobody else will call it any
// more, may destroy it, though an earlier unlock() has not returned yet (a reference count kept under the mutex).
// Source: sync.Mutex of Go; the waiters are queued in the mutex itself, so that a wait can end at a deadline.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "creel/sched/preempt.h"
#include "creel/sync/deadline.h"
#include "creel/sync/wait_queue.h"

namespace creel {

class Mutex {
 public:
  constexpr Mutex() noexcept = default;
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // Blocking: parks the fiber while others hold the lock. Caller: a fiber or a thread outside (sched/outside.h).
  void lock() {
    sched::safe_point();
    std::uint32_t expected = 0;
    // Acquire pairs with the release in unlock().
    if (!state_.compare_exchange_strong(expected, kLocked, std::memory_order_acquire, std::memory_order_relaxed)) {
      lock_slow(nullptr);
    }
    holder_.store(CREEL_FRAME_ADDRESS(), std::memory_order_relaxed);
  }

  // Takes the lock if it is free and nobody is starving. Blocking: never.
  [[nodiscard]] bool try_lock() noexcept;

  // Parks until the lock is taken (true) or time is up (false). Errors: std::bad_alloc if no timer can be armed.
  template <typename Rep, typename Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> duration) {
    return try_lock() || lock_limit(sync::deadline_after(duration));
  }
  template <typename C, typename D>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<C, D> when) {
    return try_lock() || lock_limit(sync::to_deadline(when));
  }
  // True: locked. False: `context` ended before.
  [[nodiscard]] bool lock(const Context& context) { return try_lock() || lock_limit(sync::Limit(context)); }

  // Releases the lock and wakes a waiter. In starvation mode gives up the time slice. A mutex that is not locked:
  // misuse, ends the process.
  void unlock() {
    std::uint32_t expected = kLocked;
    // Release pairs with the acquire of whoever takes the lock next, and may destroy the mutex.
    if (!state_.compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed)) {
      unlock_slow();
    }
  }

 private:
  // Bits of state_. kWaiters and kStarving change under queue_lock_ only.
  static constexpr std::uint32_t kLocked = 1;
  static constexpr std::uint32_t kWaiters = 2;  // the queue is not empty
  static constexpr std::uint32_t kWoken = 4;  // one fiber, woken or spinning, is about to try: no need to wake another
  static constexpr std::uint32_t kStarving = 8;  // only the first waiter may get the lock, by hand-over

  // Whether the unlock() that finds `state` has to take a waiter off: there is one, and nobody else is on its way.
  static constexpr bool must_wake(std::uint32_t state) noexcept {
    return (state & kWaiters) != 0 && (state & (kStarving | kWoken)) != kWoken;
  }

  bool lock_limit(const sync::Limit& limit);
  bool lock_slow(const sync::Limit* limit);
  void unlock_slow();
  bool lock_loop(sync::Waiter& self, bool timed);
  [[nodiscard]] std::uint32_t await_release() const noexcept;
  static bool expire(void* self, sync::Waiter& waiter, sync::WakeList& wakes);

  // As sched::LockWord.
  std::atomic<std::uint32_t> state_{0};
  sched::SpinLock queue_lock_;
  std::atomic<std::uintptr_t> holder_{0};  // for dumps: one store after each way to take the lock
  sync::WaitQueue queue_;  // guarded by queue_lock_
};

}  // namespace creel
