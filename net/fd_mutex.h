// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The lock of one descriptor: one reader and one writer at a time, and nobody after the close.
//
// One word counts references, waiting readers and waiting writers, beside the two lock bits and the closed bit; so
// entering and leaving an operation cost one compare-exchange each. A descriptor is really closed by whoever leaves it
// last: its number cannot be given to another file while a system call may still use it.
//
//  1. close() succeeds once. From then on lock() and incref() fail; those waiting for the lock are woken and fail.
//  2. A waiter is counted in the word before it waits; who takes it off the count releases exactly one permit for it.
//     While it waits it has a reference, so the descriptor outlives the release.
//  3. Exactly one call, after close(), returns "last": the one that leaves no reference.
//
// Thread safety: all functions. Source: fdMutex of Go's internal/poll.

#pragma once

#include <atomic>
#include <cstdint>

#include "creel/sync/semaphore.h"

namespace creel::net::detail {

enum class Side : std::uint8_t { kRead = 0, kWrite = 1 };

// Outcome of FdMutex::lock().
enum class Entry : std::uint8_t {
  kLocked,
  kRefused,      // closed
  kRefusedLast,  // closed while the caller waited, and it was the last to leave (invariant 3)
};

class FdMutex {
 public:
  // Takes a reference. False: closed.
  [[nodiscard]] bool incref() noexcept;
  // Gives it back. True: closed and the last one.
  [[nodiscard]] bool decref() noexcept;
  // Takes the lock of one side, with a reference. Parks while another fiber has it.
  [[nodiscard]] Entry lock(Side side);
  // Gives both back. True: closed and the last one.
  [[nodiscard]] bool unlock(Side side) noexcept;
  // Closes, and takes a reference. False: closed already.
  [[nodiscard]] bool close() noexcept;
  // Closes without waking anybody and without a reference. True: no operation is under way. For the runtime's end.
  [[nodiscard]] bool shut() noexcept;
  [[nodiscard]] bool closed() const noexcept { return (word_.load(std::memory_order_acquire) & kClosed) != 0; }

 private:
  // Bits of the word: closed, read lock, write lock; then 20 bits each: references, waiting readers, waiting writers.
  static constexpr std::uint64_t kClosed = 1;
  static constexpr std::uint64_t kReference = 1ull << 3;
  static constexpr std::uint64_t kCountMask = (1ull << 20) - 1;
  static constexpr std::uint64_t kReferences = kCountMask << 3;
  static constexpr unsigned kWaitShift[] = {23, 43};
  [[nodiscard]] static constexpr std::uint64_t lock_bit(Side side) noexcept {
    return side == Side::kRead ? 2 : 4;
  }
  [[nodiscard]] static constexpr std::uint64_t waiter(Side side) noexcept {
    return 1ull << kWaitShift[static_cast<int>(side)];
  }
  void wake(Side side, std::uint64_t count) noexcept;

  // Acq_rel on every change: unlock() publishes what the side's owner did to the next one; decref() to the last.
  std::atomic<std::uint64_t> word_{0};
  Semaphore waiting_[2]{Semaphore(0), Semaphore(0)};  // permits for those counted as waiting
};

}  // namespace creel::net::detail
