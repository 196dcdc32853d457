// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Counting semaphore: a number of permits, taken and given back.
//
// Fairness: strictly FIFO. A fiber that asks for many permits is not overtaken by later ones that ask for few; while
// somebody waits, try_acquire() fails even if there are permits. Lifetime: may be destroyed by who has acquired it
// last, though the release() that let it in has not returned.

#pragma once

#include <chrono>
#include <cstdint>

#include "creel/sync/deadline.h"
#include "creel/sync/wait_queue.h"

namespace creel {

class Semaphore {
 public:
  // Requires: permits >= 0 (else misuse).
  explicit Semaphore(std::int64_t permits);
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // Takes `count` permits; parks until it is this fiber's turn and they are there. Requires: count >= 0 (else misuse).
  void acquire(std::int64_t count = 1);
  [[nodiscard]] bool try_acquire(std::int64_t count = 1);
  // True: taken. False: time was up, nothing taken. Errors: std::bad_alloc if no timer can be armed.
  template <typename Rep, typename Period>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<Rep, Period> duration, std::int64_t count = 1) {
    return acquire_limit(sync::deadline_after(duration), count);
  }
  template <typename C, typename D>
  [[nodiscard]] bool try_acquire_until(std::chrono::time_point<C, D> when, std::int64_t count = 1) {
    return acquire_limit(sync::to_deadline(when), count);
  }
  // True: taken. False: `context` ended before, nothing taken.
  [[nodiscard]] bool acquire(const Context& context, std::int64_t count = 1) {
    return acquire_limit(sync::Limit(context), count);
  }

  // Gives `count` permits back, or adds new ones, and wakes those whose turn comes. Requires: count >= 0 (else misuse).
  void release(std::int64_t count = 1);

  // Permits left; outdated as soon as read, for tests and reports.
  [[nodiscard]] std::int64_t available();

 private:
  bool acquire_limit(const sync::Limit& limit, std::int64_t count);
  bool take(std::int64_t count) noexcept;
  bool acquire_queued(sync::Waiter& self);
  void grant(sync::WakeList& wakes);
  static bool expire(void* self, sync::Waiter& waiter, sync::WakeList& wakes);

  sched::SpinLock lock_;
  std::int64_t permits_;   // guarded by lock_
  sync::WaitQueue queue_;  // guarded by lock_; Waiter::amount is the number asked for
};

}  // namespace creel
