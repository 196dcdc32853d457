// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/fd_mutex.h"

#include "creel/sched/base/check.h"

namespace creel::net::detail {

using sched::check;

bool FdMutex::incref() noexcept {
  std::uint64_t old = word_.load(std::memory_order_relaxed);
  do {
    if ((old & kClosed) != 0) return false;
    check((old & kReferences) != kReferences, "too many concurrent operations on one socket (limit 1048575)");
  } while (!word_.compare_exchange_weak(old, old + kReference, std::memory_order_acq_rel, std::memory_order_relaxed));
  return true;
}

bool FdMutex::decref() noexcept {
  const std::uint64_t old = word_.fetch_sub(kReference, std::memory_order_acq_rel);
  check((old & kReferences) != 0, "a descriptor was left more often than entered");
  return (old & (kClosed | kReferences)) == (kClosed | kReference);
}

Entry FdMutex::lock(Side side) {
  const std::uint64_t bit = lock_bit(side);
  const unsigned shift = kWaitShift[static_cast<int>(side)];
  std::uint64_t held = 0;  // the reference a waiter has kept
  std::uint64_t old = word_.load(std::memory_order_relaxed);
  for (;;) {
    if ((old & kClosed) != 0) {
      if (held == 0) return Entry::kRefused;
      return decref() ? Entry::kRefusedLast : Entry::kRefused;
    }
    const bool free = (old & bit) == 0;
    check((old & kReferences) != kReferences, "too many concurrent operations on one socket (limit 1048575)");
    check(free || (old >> shift & kCountMask) != kCountMask, "too many fibers wait for one socket (limit 1048575)");
    const std::uint64_t wanted = (free ? old | bit : old + waiter(side)) + (kReference - held);
    if (!word_.compare_exchange_weak(old, wanted, std::memory_order_acq_rel, std::memory_order_relaxed)) continue;
    if (free) return Entry::kLocked;
    held = kReference;
    waiting_[static_cast<int>(side)].acquire();  // who let us go has taken us off the count
    old = word_.load(std::memory_order_relaxed);
  }
}

bool FdMutex::unlock(Side side) noexcept {
  const std::uint64_t bit = lock_bit(side);
  std::uint64_t old = word_.load(std::memory_order_relaxed);
  bool wakes = false;
  std::uint64_t wanted = 0;
  do {
    check((old & bit) != 0, "a descriptor's lock was given back by somebody who does not hold it");
    wakes = (old >> kWaitShift[static_cast<int>(side)] & kCountMask) != 0;
    wanted = (old & ~bit) - kReference;
    if (wakes) wanted -= waiter(side);
  } while (!word_.compare_exchange_weak(old, wanted, std::memory_order_acq_rel, std::memory_order_relaxed));
  // No reference of our own from here on, but the one of who waits for this permit.
  if (wakes) wake(side, 1);
  return (wanted & (kClosed | kReferences)) == kClosed;
}

bool FdMutex::close() noexcept {
  std::uint64_t old = word_.load(std::memory_order_relaxed);
  std::uint64_t wanted = 0;
  do {
    if ((old & kClosed) != 0) return false;
    wanted = (old | kClosed) + kReference;
    for (const Side side : {Side::kRead, Side::kWrite}) {
      wanted &= ~(kCountMask << kWaitShift[static_cast<int>(side)]);
    }
  } while (!word_.compare_exchange_weak(old, wanted, std::memory_order_acq_rel, std::memory_order_relaxed));
  for (const Side side : {Side::kRead, Side::kWrite}) {
    if (const std::uint64_t count = old >> kWaitShift[static_cast<int>(side)] & kCountMask) wake(side, count);
  }
  return true;
}

bool FdMutex::shut() noexcept {
  return (word_.fetch_or(kClosed, std::memory_order_acq_rel) & kReferences) == 0;
}

void FdMutex::wake(Side side, std::uint64_t count) noexcept {
  waiting_[static_cast<int>(side)].release(static_cast<std::int64_t>(count));
}

}  // namespace creel::net::detail
