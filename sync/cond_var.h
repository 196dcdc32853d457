// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Condition variable for fibers, for use with any lock that has lock() and unlock() (std::unique_lock<creel::Mutex>, or
// a Mutex itself).
//
//   std::unique_lock lock(mutex);
//   cond.wait(lock, [&] { return !queue.empty(); });
//
// Guarantees: notify_one() wakes the fiber that has waited longest (FIFO); a notification after wait() has released the
// lock is never lost; there are no spurious wake-ups (but re-check the condition all the same: another fiber may have
// taken the lock in between). Notifying needs no lock held. Lifetime: may be destroyed once every wait() has returned
// and no notification is running; one given with the lock held is over before a wait() can return. The caller's lock is
// released and taken again outside of any internal lock. If lock.lock() throws, wait() throws that. Source: sync.Cond
// and notifyList of Go; std::condition_variable_any for the interface.

#pragma once

#include <chrono>
#include <condition_variable>  // std::cv_status
#include <cstddef>

#include "creel/sync/deadline.h"
#include "creel/sync/wait_queue.h"

namespace creel {

class CondVar {
 public:
  constexpr CondVar() noexcept = default;
  ~CondVar();
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  // Releases `lock`, parks until notified, takes `lock` again. Caller: a fiber holding `lock`.
  template <typename Lock>
  void wait(Lock& lock) {
    sched::Fiber* fiber = sched::fiber_here();
    if (fiber == nullptr) [[unlikely]] return sched::as_fiber("creel::CondVar::wait()", [&] { wait(lock); });
    sync::Waiter self(fiber);
    Enqueued enqueued(*this, self);
    Relock relock(lock);
    park(self);
  }
  template <typename Lock, typename Predicate>
  void wait(Lock& lock, Predicate predicate) {
    while (!predicate()) wait(lock);
  }

  // As wait(), until `context` ends. False: it did before a notification / the predicate's value on return.
  template <typename Lock>
  bool wait(Lock& lock, const Context& context) {
    return wait_limit(lock, sync::Limit(context)) == std::cv_status::no_timeout;
  }
  template <typename Lock, typename Predicate>
  bool wait(Lock& lock, const Context& context, Predicate predicate) {
    return wait_limit(lock, sync::Limit(context), predicate);
  }

  // As wait(), until a deadline. Errors: std::bad_alloc if no timer can be armed (the lock is still held then).
  template <typename Lock, typename C, typename D>
  std::cv_status wait_until(Lock& lock, std::chrono::time_point<C, D> when) {
    return wait_limit(lock, sync::to_deadline(when));
  }
  template <typename Lock, typename Rep, typename Period>
  std::cv_status wait_for(Lock& lock, std::chrono::duration<Rep, Period> duration) {
    return wait_limit(lock, sync::deadline_after(duration));
  }
  // The predicate's value on return.
  template <typename Lock, typename C, typename D, typename Predicate>
  bool wait_until(Lock& lock, std::chrono::time_point<C, D> when, Predicate predicate) {
    return wait_limit(lock, sync::to_deadline(when), predicate);
  }
  template <typename Lock, typename Rep, typename Period, typename Predicate>
  bool wait_for(Lock& lock, std::chrono::duration<Rep, Period> duration, Predicate predicate) {
    return wait_limit(lock, sync::deadline_after(duration), predicate);
  }

  // Wakes the longest waiting fiber / all. Blocking: never. Thread safety: any thread, with or without the lock.
  void notify_one();
  void notify_all();

 private:
  // Puts `self` on the queue before the caller's lock is released. The destructor takes it off, should unlock() throw.
  class Enqueued {
   public:
    Enqueued(CondVar& cond, sync::Waiter& self) : cond_(cond), self_(self) { cond_.enqueue(self_); }
    ~Enqueued() { cond_.withdraw(self_); }
    Enqueued(const Enqueued&) = delete;
    Enqueued& operator=(const Enqueued&) = delete;

   private:
    CondVar& cond_;
    sync::Waiter& self_;
  };

  // Released for its lifetime. The destructor may throw what lock() throws: it runs as the last step, not in unwinding.
  template <typename Lock>
  class Relock {
   public:
    explicit Relock(Lock& lock) : lock_(lock) { lock_.unlock(); }
    ~Relock() noexcept(false) { lock_.lock(); }
    Relock(const Relock&) = delete;
    Relock& operator=(const Relock&) = delete;

   private:
    Lock& lock_;
  };

  template <typename Lock>
  std::cv_status wait_limit(Lock& lock, const sync::Limit& limit) {
    if (limit.endless()) {
      wait(lock);
      return std::cv_status::no_timeout;
    }
    sched::Fiber* fiber = sched::fiber_here();
    if (fiber == nullptr) [[unlikely]] {
      return sched::as_fiber("creel::CondVar::wait_until()", [&] { return wait_limit(lock, limit); });
    }
    sync::Waiter self(fiber);
    Enqueued enqueued(*this, self);
    sync::Expiry expiry(self, lock_, &CondVar::expire, this, limit);
    Relock relock(lock);
    return park(self) == sync::Outcome::kDone ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  template <typename Lock, typename Predicate>
  bool wait_limit(Lock& lock, const sync::Limit& limit, Predicate& predicate) {
    while (!predicate()) {
      if (wait_limit(lock, limit) == std::cv_status::timeout) return predicate();
    }
    return true;
  }

  void enqueue(sync::Waiter& self) noexcept;
  void withdraw(sync::Waiter& self) noexcept;
  sync::Outcome park(sync::Waiter& self);
  static bool expire(void* self, sync::Waiter& waiter, sync::WakeList& wakes);

  sched::SpinLock lock_;
  sync::WaitQueue queue_;  // guarded by lock_
  std::int64_t queued_ = 0;  // guarded by lock_: Waiters queued so far; the number of each is its `amount`
};

}  // namespace creel
