// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Waiters, their queues and their time limits: what every blocking type of sync/ is made of.
//
// A Waiter lives in the frame of the fiber that waits; a WaitQueue links Waiters without allocating. The object waited
// for owns one SpinLock that guards its queues and every plain field of the Waiters in them.
//
// Invariants:
//  1. Whoever takes a Waiter off its queue, under the lock, decides its outcome, and alone calls ready(), once. Broken:
//  a
//     fiber is resumed twice, or never.
//  2. A Waiter taken off stays valid until ready(): its fiber is parked. After ready() it must not be touched.
//  3. With a limit the function of its timer, or of its hook on a context, takes the same lock, so it can neither
//     overtake the park (the lock is held until the fiber's context is saved) nor decide what a waker has decided.
//  4. The waiting frame stops its timer, takes its hook off the context, and waits for their function to return, before
//     it leaves.
//  5. A Waiter of a select is on several queues' behalf: it is taken only if SelectState::claim() succeeds as well.
//
// Internal to sync/; not for users.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "creel/sched/base/check.h"
#include "creel/sched/base/spinlock.h"
#include "creel/sched/outside.h"
#include "creel/sched/park.h"
#include "creel/sched/timer.h"
#include "creel/sched/wait_object.h"
#include "creel/sync/cancel_hook.h"
#include "creel/sync/limit.h"

namespace creel::sync {

using sched::BlockReason;
using sched::Clock;
using sched::Fiber;
using sched::SpinLock;

enum class Outcome : std::uint8_t {
  kWaiting,   // undecided
  kDone,      // got what it waited for
  kRetry,     // woken to try again (Mutex in normal mode, writers of an RWMutex)
  kClosed,    // the channel was closed
  kTimedOut,  // the time limit, or the end of the context, came first
};

// Shared by the Waiters of one select: the first to claim it decides the select.
struct Waiter;
struct SelectState {
  SpinLock lock;  // held from before the park to its commit's last step; guards expired and parked
  std::atomic<bool> claimed{false};
  std::atomic<Waiter*> winner{nullptr};  // who was claimed; null: the timer
  bool expired = false;
  bool parked = false;

  // True for exactly one caller. Relaxed: what the winner writes is published by Waiter::decide() and ready().
  [[nodiscard]] bool claim() noexcept {
    return !claimed.load(std::memory_order_relaxed) && !claimed.exchange(true, std::memory_order_relaxed);
  }
};

// One wait of one fiber. Plain fields are guarded by the lock of the object waited for.
struct Waiter {
  explicit Waiter(Fiber* waiting) noexcept : fiber(waiting) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Sets the outcome. Caller: who took it off its queue, before ready().
  void decide(Outcome value) noexcept {
    outcome.store(value, std::memory_order_release);  // pairs with the acquire in result()
  }
  // The outcome, with everything its decider did before. Caller: the waiting fiber, resumed.
  [[nodiscard]] Outcome result() const noexcept { return outcome.load(std::memory_order_acquire); }

  Waiter* next = nullptr;
  Waiter* prev = nullptr;
  Fiber* fiber;
  void* element = nullptr;        // channels: where the value is or goes
  SelectState* select = nullptr;  // select: the decision this Waiter shares
  std::int64_t amount = 0;        // Semaphore: permits asked for; Mutex: when it began to wait; CondVar: number
  bool queued = false;
  bool parked = true;    // false: decided Waiters must not be readied, the fiber will look before parking
  bool expired = false;  // the limit was reached before the Waiter was queued
  std::atomic<Outcome> outcome{Outcome::kWaiting};
};

// FIFO of Waiters. Thread safety: under the owning object's lock, except empty_hint().
class WaitQueue {
 public:
  constexpr WaitQueue() noexcept = default;
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  [[nodiscard]] bool empty() const noexcept { return head_.load(std::memory_order_relaxed) == nullptr; }
  // As empty(), without the lock: possibly outdated.
  [[nodiscard]] bool empty_hint() const noexcept { return empty(); }
  [[nodiscard]] Waiter* front() const noexcept { return head_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool has_one() const noexcept { return !empty() && front() == tail_; }

  // Number of Waiters, counted.
  [[nodiscard]] std::size_t size() const noexcept;

  void push_back(Waiter& waiter) noexcept {
    waiter.queued = true;
    waiter.next = nullptr;
    waiter.prev = tail_;
    if (tail_ != nullptr) {
      tail_->next = &waiter;
    } else {
      head_.store(&waiter, std::memory_order_relaxed);
    }
    tail_ = &waiter;
  }
  void push_front(Waiter& waiter) noexcept;
  // The first Waiter, taken off, or null.
  Waiter* pop_front() noexcept {
    Waiter* waiter = front();
    if (waiter == nullptr) return nullptr;
    waiter->queued = false;
    head_.store(waiter->next, std::memory_order_relaxed);
    if (waiter->next != nullptr) {
      waiter->next->prev = nullptr;
      waiter->next = nullptr;
    } else {
      tail_ = nullptr;
    }
    return waiter;
  }
  // The first Waiter whose select, if any, could be claimed; those that could not are dropped on the way.
  Waiter* pop_claimed() noexcept {
    Waiter* waiter = pop_front();
    if (waiter != nullptr && waiter->select != nullptr) [[unlikely]] return claim_from(waiter);
    return waiter;
  }
  // Requires: waiter.queued, in this queue.
  void remove(Waiter& waiter) noexcept;

 private:
  // pop_claimed() from `waiter`, just taken off, on.
  Waiter* claim_from(Waiter* waiter) noexcept;

  std::atomic<Waiter*> head_{nullptr};  // atomic only for empty_hint(); relaxed, the lock orders
  Waiter* tail_ = nullptr;
};

// Waiters taken off under a lock, to be readied in their order after it is released.
class WakeList {
 public:
  WakeList() noexcept = default;
  WakeList(const WakeList&) = delete;
  WakeList& operator=(const WakeList&) = delete;

  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
  // Requires: `waiter` is on no queue; it is decided before ready_all().
  void add(Waiter& waiter) noexcept;
  void decide_all(Outcome outcome) noexcept;
  // Readies all: a single one next in line, several at the end of the run queue, so that they run in FIFO order.
  // `alone` false: others were readied just before, so a single one goes to the end, too.
  void ready_all(bool alone = true);

 private:
  Waiter* head_ = nullptr;
  Waiter* tail_ = nullptr;
};

// Limit of one Waiter: a deadline, a context, or both. Armed before the lock is taken (the timer heap may allocate); the
// destructor disarms. A context that has ended already counts at once.
class Expiry {
 public:
  // What to do under the lock when the limit is reached and `waiter` is queued: take it off and repair the object; may wake
  // others. Returns false to leave it queued (someone is about to wake it).
  using Expire = bool (*)(void* object, Waiter& waiter, WakeList& wakes);

  Expiry(Waiter& waiter, SpinLock& lock, Expire expire, void* object, const Limit& limit);
  ~Expiry();
  Expiry(const Expiry&) = delete;
  Expiry& operator=(const Expiry&) = delete;

 private:
  void reach();

  Waiter& waiter_;
  SpinLock& lock_;
  Expire expire_;
  void* object_;
  CancelNode* context_;  // null: none
  CancelHook hook_;
  sched::Timer timer_;
  bool wake_comes_ = false;  // guarded by lock_: the limit came after the decision, and the deadlock check was told so
};

// Parks the fiber of `waiter`, which the caller has queued under `lock`; `lock` is released. Returns the outcome.
inline Outcome park_waiter(Waiter& waiter, SpinLock& lock, BlockReason reason, const void* object) {
  sched::park_unlock(reason, lock, object);
  const Outcome outcome = waiter.result();
  sched::check(outcome != Outcome::kWaiting, "sync: a fiber was resumed before its wait was decided");
  return outcome;
}

// Debug builds: destroying an object that fibers wait for is a misuse (they would never wake).
#if defined(NDEBUG)
inline void expect_unused(bool, const char*) noexcept {}
#else
inline void expect_unused(bool unused, const char* text) noexcept {
  if (!unused) sched::misuse(text);
}
#endif

}  // namespace creel::sync
