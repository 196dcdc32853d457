// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The runtime's short lock: protects a few instructions on wait lists, timer heaps and channel buffers.
//
// May be locked by one fiber's worker and unlocked after a switch (a park's commit), as it belongs to no thread.
// Spins with pause, then yields the thread: the holder may have been preempted by the kernel.
// Blocking: never parks. Rules: no user code and no park while held; ranks in README.md.

#pragma once

#include <atomic>

namespace creel::sched {

class SpinLock {
 public:
  constexpr SpinLock() noexcept = default;
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

  void lock() noexcept {
    // Acquire pairs with the release in unlock().
    if (locked_.exchange(true, std::memory_order_acquire)) [[unlikely]] lock_slow();
  }
  [[nodiscard]] bool try_lock() noexcept {
    return !locked_.load(std::memory_order_relaxed) && !locked_.exchange(true, std::memory_order_acquire);
  }
  void unlock() noexcept { locked_.store(false, std::memory_order_release); }

 private:
  void lock_slow() noexcept;

  std::atomic<bool> locked_{false};
};

}  // namespace creel::sched
