// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Invariants:
//  1. A fiber queues only after a compare-exchange, under the queues' lock, that proves the lock is not free for it and
//     sets its waiting flag. So whoever frees the lock sees the flag and comes for the queue.
//  2. Readers wait only while kWriter or kWriterWaits is set. The two are never set together: a writer that waits for
//     another one keeps nobody out yet. Whoever clears the one that is set admits the readers.
//  3. The lock is free (no kWriter, no readers) with kWriterWaits set only between the unlock_shared() of the last
//     reader and its slow path, which hands the lock to the first writer. Meanwhile no one else gets the lock, and the
//     only waiting writer does not give up, even if its time is up: it is about to be woken, with the lock. So the slow
//     path finds a writer, and is the only one on its way.
//  4. After another fiber may have locked, unlocked and destroyed the mutex, an unlock does not touch it. Its last
//     touch is one of two: the step that gives up its own hold (in unlock() kWriter, in unlock_shared() one kReader) where
//     that leaves nobody for it to wake; or queue_lock_.unlock(), after it has taken waiters off and before it makes
//     them ready: until then their lock() or lock_shared() is running. Before that step its own hold, or in
//     unlock_shared_slow() the writer of invariant 3, keeps the mutex in use. So unlock_slow() does not free the lock
//     under queue_lock_ if nobody waits any more: it starts over. Broken: a write to freed memory.
//  5. The other users of queue_lock_ are calls of lock() and lock_shared() that have not returned: the park's commit,
//     whose last touch is to release it, and the timer's function, which the waiting frame waits for (wait_queue.h, 4).
//  6. kWriterDue without kWriter and kWriterWaits: exactly one writer, which unlock() took off writers_, is on its way.
//     It takes the lock, or returns to the front with kWriterWaits set, or gives up and sees to those behind it. Until
//     then no other writer locks.

#include "creel/sync/rw_mutex.h"

#include <bit>
#include <cstddef>

namespace creel {

using sync::Outcome;
using sync::Waiter;
using sync::WakeList;

RWMutex::~RWMutex() {
  // A dump reads the lower half of state_.
  static_assert(sizeof(holder_) == sizeof(sched::LockWord::holder) &&
                sizeof(state_) == offsetof(sched::LockWord, holder) &&
                std::endian::native == std::endian::little &&
                kWriter == sched::LockWord::kHeld && kReader == sched::LockWord::kReader);
  sync::expect_unused(writers_.empty() && readers_.empty(), "creel::RWMutex destroyed while fibers wait for it");
}

bool RWMutex::lock_limit(const sync::Limit& limit) { return lock_slow(limit.endless() ? nullptr : &limit); }

bool RWMutex::lock_shared_limit(const sync::Limit& limit) {
  return lock_shared_slow(limit.endless() ? nullptr : &limit);
}

bool RWMutex::lock_slow(const sync::Limit* limit) {
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] return sched::as_fiber("creel::RWMutex::lock()", [&] { return lock_slow(limit); });
  Waiter self(fiber);
  bool locked = false;
  if (limit == nullptr) {
    locked = lock_queued(self);
  } else if (!limit->reached()) {
    sync::Expiry expiry(self, queue_lock_, &RWMutex::expire_writer, this, *limit);
    locked = lock_queued(self);
  }
  if (locked) holder_.store(CREEL_FRAME_ADDRESS(), std::memory_order_relaxed);
  return locked;
}

bool RWMutex::lock_queued(Waiter& self) {
  const void* object = sched::tag(this, sched::WaitKind::kRWMutex);
  bool due = false;  // this fiber is the one of invariant 6
  for (;;) {
    queue_lock_.lock();
    const std::uint64_t behind = writers_.empty() ? 0 : kWriterDue;
    std::uint64_t old = state_.load(std::memory_order_relaxed);
    std::uint64_t next;
    bool free;
    bool gives_up;
    do {
      free = old == (due ? kWriterDue : 0);
      gives_up = !free && self.expired;
      if (free) {
        next = kWriter | behind;
      } else if (gives_up) {
        next = !due ? old : behind != 0 ? old | kWriterWaits : old & ~kWriterDue;
      } else {
        next = old | kWriterDue | (due || (old & (kWriter | kWriterDue)) == 0 ? kWriterWaits : 0);
      }
      // Acquire pairs with the releases in unlock() and unlock_shared().
    } while (!state_.compare_exchange_weak(old, next, std::memory_order_acquire, std::memory_order_relaxed));
    if (free || gives_up) {
      queue_lock_.unlock();
      return free;
    }
    self.outcome.store(Outcome::kWaiting, std::memory_order_relaxed);
    due ? writers_.push_front(self) : writers_.push_back(self);
    switch (sync::park_waiter(self, queue_lock_, sched::BlockReason::kSync, object)) {
      case Outcome::kDone:  // handed over, kWriter set by the last reader
        return true;
      case Outcome::kTimedOut:
        return false;
      default:
        due = true;
        break;
    }
  }
}

bool RWMutex::lock_shared_slow(const sync::Limit* limit) {
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] return sched::as_fiber("creel::RWMutex::lock_shared()", [&] { return lock_shared_slow(limit); });
  Waiter self(fiber);
  if (limit == nullptr) return lock_shared_queued(self);
  if (limit->reached()) return false;
  sync::Expiry expiry(self, queue_lock_, &RWMutex::expire_reader, this, *limit);
  return lock_shared_queued(self);
}

bool RWMutex::lock_shared_queued(Waiter& self) {
  queue_lock_.lock();
  std::uint64_t old = state_.load(std::memory_order_relaxed);
  for (;;) {
    const bool free = (old & (kWriter | kWriterWaits)) == 0;
    if (!free && self.expired) {
      queue_lock_.unlock();
      return false;
    }
    // Acquire pairs with the release in unlock().
    if (!state_.compare_exchange_weak(old, free ? old + kReader : old | kReadersWait, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      continue;
    }
    if (!free) break;
    queue_lock_.unlock();
    return true;
  }
  readers_.push_back(self);
  const void* object = sched::tag(this, sched::WaitKind::kRWMutex);
  return sync::park_waiter(self, queue_lock_, sched::BlockReason::kSync, object) == Outcome::kDone;
}

// Takes all waiting readers off. Returns what they add to the state. Caller: holds queue_lock_.
std::uint64_t RWMutex::take_readers(WakeList& wakes) {
  std::uint64_t added = 0;
  while (Waiter* reader = readers_.pop_front()) {
    reader->decide(Outcome::kDone);
    wakes.add(*reader);
    added += kReader;
  }
  return added;
}

void RWMutex::unlock_slow() {
  for (;;) {
    WakeList wakes;
    queue_lock_.lock();
    if ((state_.load(std::memory_order_relaxed) & kWriter) == 0) {
      sched::misuse("unlock() of a creel::RWMutex that is not locked for writing");
    }
    std::uint64_t next = take_readers(wakes);
    if (Waiter* writer = writers_.pop_front()) {
      writer->decide(Outcome::kRetry);
      wakes.add(*writer);
      next |= kWriterDue;
    }
    // While kWriter is set and the queues' lock held nobody else changes the state. Release as in unlock().
    if (!wakes.empty()) state_.store(next, std::memory_order_release);
    queue_lock_.unlock();  // the last touch, if there is somebody to wake
    if (!wakes.empty()) return wakes.ready_all();
    // Their time was up meanwhile.
    std::uint64_t expected = kWriter;
    // The last touch, if it succeeds. Release as in unlock().
    if (state_.compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed)) return;
  }
}

void RWMutex::unlock_shared_slow(std::uint64_t old) {
  if (old < kReader) sched::misuse("unlock_shared() of a creel::RWMutex that is not locked for reading");
  if ((old & kWriterWaits) == 0) return;
  WakeList wakes;
  queue_lock_.lock();
  Waiter* writer = writers_.pop_front();
  sched::check(writer != nullptr, "RWMutex: the last waiting writer left a lock that was about to be its own");
  // Invariant 3: only kReadersWait may have changed since, and does not under the queues' lock. Relaxed: what the
  // readers released is passed on by decide().
  const std::uint64_t now = state_.load(std::memory_order_relaxed);
  holder_.store(0, std::memory_order_relaxed);  // until the writer runs
  state_.store(kWriter | (writers_.empty() ? 0 : kWriterDue) | (now & kReadersWait), std::memory_order_relaxed);
  writer->decide(Outcome::kDone);
  wakes.add(*writer);
  queue_lock_.unlock();  // the last touch
  wakes.ready_all();
}

bool RWMutex::expire_writer(void* self, Waiter& waiter, WakeList& wakes) {
  auto& mutex = *static_cast<RWMutex*>(self);
  if (!mutex.writers_.has_one()) {
    mutex.writers_.remove(waiter);
    return true;
  }
  std::uint64_t old = mutex.state_.load(std::memory_order_relaxed);
  if ((old & (kWriter | kWriterWaits)) == 0) {  // invariant 6: the other one stays due
    mutex.writers_.remove(waiter);
    return true;
  }
  // Nobody else waits to write: who waited behind this writer only goes in, in the same step.
  const std::uint64_t waiting = mutex.readers_.size() * kReader;
  std::uint64_t next;
  bool admit;
  do {
    if (old < kReader && (old & kWriter) == 0) return false;  // invariant 3
    admit = (old & kWriter) == 0 && waiting != 0;
    next = (old & ~(kWriterWaits | kWriterDue | (admit ? kReadersWait : 0))) + (admit ? waiting : 0);
    // Acquire and release: passes on, to the readers admitted, what the last writer released.
  } while (!mutex.state_.compare_exchange_weak(old, next, std::memory_order_acq_rel, std::memory_order_relaxed));
  mutex.writers_.remove(waiter);
  if (admit) mutex.take_readers(wakes);
  return true;
}

bool RWMutex::expire_reader(void* self, Waiter& waiter, WakeList&) {
  auto& mutex = *static_cast<RWMutex*>(self);
  mutex.readers_.remove(waiter);
  if (mutex.readers_.empty()) mutex.state_.fetch_and(~kReadersWait, std::memory_order_relaxed);
  return true;
}

}  // namespace creel
