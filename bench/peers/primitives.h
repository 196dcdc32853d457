// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the benchmarks need and not every peer has, made of the peer's own mutex and condition variable, as its users do.
// A peer P is a struct like that of marl.cc:
//
//   P::Mutex, P::Lock                   lock() and unlock(); a lock for a scope, made of a Mutex&
//   P::CondVar                          wait(Lock&, predicate), notify_one(), notify_all()
//   P::Channel<T>                       Channel<P, T> below where the peer has none
//   P::go(function)                     starts a fiber, of whichever thread the peer chooses
//   P::pause()                          lets others run for a moment
//   P::sleep_for(duration)
//
// and optionally P::RwMutex (lock, unlock, lock_shared, unlock_shared), P::yield() and P::blocking(function).
// Thread safety: as their namesakes of Go have it.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::peers {

// One join of `count` fibers: one atomic subtraction each, and mutex and condition variable for the last of them alone.
template <typename P>
class WaitGroup {
 public:
  explicit WaitGroup(std::int64_t count) : count_(count) {}

  void done() {
    // Pairs with the others' subtractions: what each fiber did happens before what the last one does next.
    if (count_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    {
      typename P::Lock lock(mutex_);
      zero_ = true;
      ended_.notify_one();
    }
    unlocked_.store(true, std::memory_order_release);  // pairs with wait()
  }

  // Returns when the last done() no longer touches this object.
  void wait() {
    {
      typename P::Lock lock(mutex_);
      ended_.wait(lock, [this] { return zero_; });
    }
    while (!unlocked_.load(std::memory_order_acquire)) P::pause();  // pairs with done()
  }

 private:
  typename P::Mutex mutex_;
  typename P::CondVar ended_;
  bool zero_ = false;
  std::atomic<std::int64_t> count_;
  std::atomic<bool> unlocked_{false};
};

// Go's channel, without select. Not to be destroyed before all calls have returned.
template <typename P, typename T>
class Channel {
 public:
  explicit Channel(std::size_t capacity = 0) : slots_(std::max<std::size_t>(capacity, 1)), unbuffered_(capacity == 0) {}

  // Returns when there was room for the value, or, without capacity, when it was received.
  void send(T value) {
    typename P::Lock lock(mutex_);
    if (count_ == slots_.size()) {
      ++senders_;
      room_.wait(lock, [this] { return count_ < slots_.size(); });
      --senders_;
    }
    slots_[(first_ + count_++) % slots_.size()] = value;
    const std::uint64_t ticket = ++sent_;
    if (receivers_ > 0) item_.notify_one();
    if (unbuffered_) received_.wait(lock, [&] { return taken_ >= ticket; });
  }

  // False when the channel is closed and empty.
  bool recv(T& value) {
    typename P::Lock lock(mutex_);
    if (count_ == 0) {
      ++receivers_;
      item_.wait(lock, [this] { return count_ > 0 || closed_; });
      --receivers_;
      if (count_ == 0) return false;
    }
    value = slots_[first_];
    first_ = (first_ + 1) % slots_.size();
    --count_;
    ++taken_;
    if (senders_ > 0) room_.notify_one();
    if (unbuffered_) received_.notify_all();
    return true;
  }

  void close() {
    typename P::Lock lock(mutex_);
    closed_ = true;
    item_.notify_all();
  }

 private:
  typename P::Mutex mutex_;
  typename P::CondVar room_;
  typename P::CondVar item_;
  typename P::CondVar received_;
  std::vector<T> slots_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t taken_ = 0;
  std::int64_t senders_ = 0;    // that wait for room
  std::int64_t receivers_ = 0;  // that wait for an item
  bool closed_ = false;
  const bool unbuffered_;
};

}  // namespace bench::peers
