// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Linux futex: sleep until a word changes.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace creel::sched {

// Sleeps while `word` holds `expected`; returns on wake, on timeout (< 0: none), on a signal, or spuriously.
// Blocking: the thread. Source: futex(2), FUTEX_WAIT_PRIVATE.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout = std::chrono::nanoseconds(-1)) noexcept;

// Wakes up to `count` threads sleeping on `word`.
void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept;

// One thread's parking place: wake() before park() is remembered, once (Go's note).
class Parker {
 public:
  // Blocks the thread until wake(). Caller: the owner.
  void park() noexcept {
    // Acquire pairs with the release in wake(): what the waker handed over is visible.
    while (word_.exchange(0, std::memory_order_acquire) == 0) futex_wait(word_, 0);
  }
  // As park(), but gives up after `timeout`. Returns whether it was woken.
  bool park_for(std::chrono::nanoseconds timeout) noexcept {
    if (word_.exchange(0, std::memory_order_acquire) != 0) return true;
    futex_wait(word_, 0, timeout);
    return word_.exchange(0, std::memory_order_acquire) != 0;
  }
  // Caller: anyone.
  void wake() noexcept {
    if (word_.exchange(1, std::memory_order_release) == 0) futex_wake(word_, 1);
  }

 private:
  std::atomic<std::uint32_t> word_{0};
};

}  // namespace creel::sched
