// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Bounded queue of runnable fibers owned by one Processor (P).
//
// Thread safety: push(), pop() and steal_into() only from the worker that holds the P; grab() from any other worker;
// size() from anyone, approximate. Blocking: never. Allocates: never.
// Source: the ring of Go's runq (runtime/proc.go: runqput, runqget, runqgrab, runqsteal).
//
// Invariants:
//  1. head_ <= tail_ and tail_ - head_ <= kCapacity (modulo 2^32). Broken, a stealer reads a slot twice.
//  2. Only the owner writes tail_; anyone may advance head_, by compare-exchange only. (pop_alone() stores it: there is
//     nobody then.)
//  3. A slot between head_ and tail_ is written before tail_ passes it, and not rewritten before head_ has passed it.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "creel/sched/base/cache_line.h"

namespace creel::sched {

// 256 as in Go, so that more fibers than that run in Go's order. kLongest: of a batch, which may lie on a fiber's stack. Tests
// use small numbers, to reach wrap-around.
template <typename T, std::uint32_t kCapacity = 256, std::uint32_t kLongest = 128>
class RunQueue {
  static_assert(kCapacity >= 2 && (kCapacity & (kCapacity - 1)) == 0, "index masking needs a power of two");

 public:
  static constexpr std::uint32_t kFew = 64;  // so many fibers stay in the first cache by themselves
  static constexpr std::uint32_t kBatch = kCapacity / 2 < kLongest ? kCapacity / 2 : kLongest;

  // Appends `item`. Returns false when full: the caller then takes a batch out by pop_batch(). Caller: owner.
  [[nodiscard]] bool push(T item) noexcept {
    const std::uint32_t head = head_.load(std::memory_order_acquire);  // pairs with the stealers' CAS: slot is free
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // ours
    if (tail - head >= kCapacity) return false;
    slots_[tail % kCapacity].store(item, std::memory_order_relaxed);
    tail_.store(tail + 1, std::memory_order_release);  // pairs with the acquire in grab(): publishes the slot
    return true;
  }

  // Takes the oldest item, or a null T when empty. Caller: owner.
  [[nodiscard]] T pop() noexcept {
    std::uint32_t head = head_.load(std::memory_order_acquire);  // pairs with stealers' CAS
    for (;;) {
      const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
      if (head == tail) return T{};
      T item = slots_[head % kCapacity].load(std::memory_order_relaxed);
      // Release pairs with push()'s acquire of head_: the slot was read before it may be reused.
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel, std::memory_order_acquire)) return item;
    }
  }

  // pop() while nobody else may take from the queue: without an atomic read-modify-write, which is half the cost of a
  // yield. When more than kFew items stay, `look_ahead(next, later)` is given the next one and one further back, to bring
  // them towards the caches. Caller: owner, where no thief exists (alone() in hand_over.h).
  template <typename LookAhead>
  [[nodiscard]] T pop_alone(LookAhead look_ahead) noexcept {
    constexpr std::uint32_t kLater = 4;
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    const std::uint32_t size = tail_.load(std::memory_order_relaxed) - head;
    if (size == 0) return T{};
    T item = slots_[head % kCapacity].load(std::memory_order_relaxed);
    head_.store(head + 1, std::memory_order_release);  // as in pop()
    if (size > kFew) [[unlikely]] {
      look_ahead(slots_[(head + 1) % kCapacity].load(std::memory_order_relaxed),
                 slots_[(head + kLater) % kCapacity].load(std::memory_order_relaxed));
    }
    return item;
  }

  // Takes the oldest kBatch items of a full queue into `out`. Returns false if stealers were faster (the queue is no longer
  // full; push again). Caller: owner.
  [[nodiscard]] bool pop_batch(T* out) noexcept {
    std::uint32_t head = head_.load(std::memory_order_acquire);
    if (tail_.load(std::memory_order_relaxed) - head != kCapacity) return false;
    for (std::uint32_t i = 0; i < kBatch; ++i) out[i] = slots_[(head + i) % kCapacity].load(std::memory_order_relaxed);
    return head_.compare_exchange_strong(head, head + kBatch, std::memory_order_acq_rel, std::memory_order_relaxed);
  }

  // Takes half of the items (rounded up, at most kBatch), oldest first, into `out`. Returns how many; 0 means empty.
  // Caller: any worker but the owner.
  [[nodiscard]] std::uint32_t grab(T* out) noexcept {
    for (;;) {
      std::uint32_t head = head_.load(std::memory_order_acquire);        // pairs with other consumers' CAS
      const std::uint32_t tail = tail_.load(std::memory_order_acquire);  // pairs with push(): slots are written
      std::uint32_t count = tail - head;
      if (count > kCapacity) continue;  // head and tail were read at different times
      count -= count / 2;
      if (count == 0) return 0;
      if (count > kBatch) count = kBatch;
      for (std::uint32_t i = 0; i < count; ++i) out[i] = slots_[(head + i) % kCapacity].load(std::memory_order_relaxed);
      if (head_.compare_exchange_strong(head, head + count, std::memory_order_acq_rel, std::memory_order_relaxed)) {
        return count;
      }
    }
  }

  [[nodiscard]] std::uint32_t size() const noexcept {
    // Acquire on both, head first: a fiber seen queued was queued; pairs with push() and the consumers' CAS.
    const std::uint32_t head = head_.load(std::memory_order_acquire);
    const std::uint32_t tail = tail_.load(std::memory_order_acquire);
    return tail - head;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

 private:
  alignas(kCacheLine) std::atomic<std::uint32_t> head_{0};
  alignas(kCacheLine) std::atomic<std::uint32_t> tail_{0};
  std::array<std::atomic<T>, kCapacity> slots_{};  // relaxed; ordered by head_ and tail_
};

}  // namespace creel::sched
