// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Many readers or one writer. Fits std::unique_lock and std::shared_lock.
//
// Fairness: a writer that waits keeps new readers out. When a writer leaves, all readers waiting at that moment go in,
// and the next writer, in FIFO order, is made runnable: from when it runs, it keeps new readers out in its turn. So
// neither side starves, and a fiber that already holds a shared lock must not take it again: it would wait for a writer
// that waits for it.
//
// Lifetime: as for Mutex, a fiber that has held it for writing, and knows that nobody else will call it any more, may
// destroy it after its unlock(), though an earlier unlock() or unlock_shared() has not returned yet.
// Source: sync.RWMutex of Go (behaviour: a writer that waits for another one keeps nobody out yet); here the last reader
// hands the lock to the writer directly, under the queues' lock, and writers do not pass each other.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "creel/sched/preempt.h"
#include "creel/sync/deadline.h"
#include "creel/sync/wait_queue.h"

namespace creel {

class RWMutex {
 public:
  constexpr RWMutex() noexcept = default;
  ~RWMutex();
  RWMutex(const RWMutex&) = delete;
  RWMutex& operator=(const RWMutex&) = delete;

  // For writing. Blocking: parks while readers or another writer hold the lock.
  void lock() {
    if (!try_lock()) lock_slow(nullptr);
  }
  [[nodiscard]] bool try_lock() noexcept {
    sched::safe_point();
    std::uint64_t expected = 0;
    // Acquire pairs with the releases in unlock() and unlock_shared().
    if (!state_.compare_exchange_strong(expected, kWriter, std::memory_order_acquire, std::memory_order_relaxed)) {
      return false;
    }
    holder_.store(CREEL_FRAME_ADDRESS(), std::memory_order_relaxed);
    return true;
  }
  // True: locked. False: time was up. Errors: std::bad_alloc if no timer can be armed.
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
  // Not locked for writing: misuse, ends the process.
  void unlock() {
    std::uint64_t expected = kWriter;
    // Release pairs with the acquires of whoever locks next, and may destroy the mutex.
    if (!state_.compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed)) {
      unlock_slow();
    }
  }

  // For reading. Blocking: parks while a writer holds the lock or waits for it.
  void lock_shared() {
    if (!try_lock_shared()) lock_shared_slow(nullptr);
  }
  [[nodiscard]] bool try_lock_shared() noexcept {
    sched::safe_point();
    std::uint64_t old = 0;  // guessed: right where readers seldom meet, and then cheaper than a load before
    while ((old & (kWriter | kWriterWaits)) == 0) {
      // Acquire pairs with the release in unlock().
      if (state_.compare_exchange_weak(old, old + kReader, std::memory_order_acquire, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  template <typename Rep, typename Period>
  [[nodiscard]] bool try_lock_shared_for(std::chrono::duration<Rep, Period> duration) {
    return try_lock_shared() || lock_shared_limit(sync::deadline_after(duration));
  }
  template <typename C, typename D>
  [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<C, D> when) {
    return try_lock_shared() || lock_shared_limit(sync::to_deadline(when));
  }
  [[nodiscard]] bool lock_shared(const Context& context) {
    return try_lock_shared() || lock_shared_limit(sync::Limit(context));
  }
  // Not locked for reading: misuse, ends the process.
  void unlock_shared() {
    // Release pairs with the acquire of the next writer; acquire: the last reader, which wakes the writer, passes on
    // the other readers' releases. Others, and the last one if nobody waits, touch the mutex no more.
    const std::uint64_t old = state_.fetch_sub(kReader, std::memory_order_acq_rel);
    if (old < 2 * kReader && old != kReader) unlock_shared_slow(old);
  }

 private:
  // state_: four flags and the number of readers. The three waiting flags change under queue_lock_ only.
  static constexpr std::uint64_t kWriter = 1;       // held for writing
  static constexpr std::uint64_t kWriterWaits = 2;  // the first of writers_ waits for readers: no more go in
  static constexpr std::uint64_t kReadersWait = 4;  // readers_ is not empty
  static constexpr std::uint64_t kWriterDue = 8;    // writers_ is not empty, or its first was woken to lock: others queue
  static constexpr std::uint64_t kReader = 16;      // one reader

  bool lock_limit(const sync::Limit& limit);
  bool lock_shared_limit(const sync::Limit& limit);
  bool lock_slow(const sync::Limit* limit);
  bool lock_shared_slow(const sync::Limit* limit);
  bool lock_queued(sync::Waiter& self);
  bool lock_shared_queued(sync::Waiter& self);
  void unlock_slow();
  void unlock_shared_slow(std::uint64_t old);
  std::uint64_t take_readers(sync::WakeList& wakes);
  static bool expire_writer(void* self, sync::Waiter& waiter, sync::WakeList& wakes);
  static bool expire_reader(void* self, sync::Waiter& waiter, sync::WakeList& wakes);

  // As sched::LockWord.
  std::atomic<std::uint64_t> state_{0};
  std::atomic<std::uintptr_t> holder_{0};  // for writing; for dumps
  sched::SpinLock queue_lock_;
  sync::WaitQueue writers_;  // guarded by queue_lock_
  sync::WaitQueue readers_;  // guarded by queue_lock_
};

}  // namespace creel
