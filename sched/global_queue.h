// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The global run queue: overflow of full local queues, preempted fibers, fibers that came back without a P.
//
// One FIFO, linked by Fiber::next, under a SpinLock: strictly first in, first out over all workers. That order is what keeps
// a fiber without a P of its own from starving beside fibers that are preempted on theirs. (A lock-free queue with one
// sub-queue per worker was tried: with a share of one fiber per visit each worker took back what it had just put in, and a
// fiber in another's sub-queue waited for 256 time slices.) It is visited once in 61 rounds or when the local queue is empty, in
// batches, so the lock is no bottleneck.
// Thread safety: everything from any thread. Blocking: a short lock. Allocates: never.
//
// Invariant: size() > 0 after a push until a pop took the item. The counter is sequentially consistent: a pusher that
// then reads "no P is idle", and a worker that announces its P idle and then reads size() == 0, cannot both be right
// about the other's past (idle.cc, step 3).

#pragma once

#include <atomic>
#include <cstdint>

#include "creel/sched/base/spinlock.h"
#include "creel/sched/fiber.h"

namespace creel::sched {

class GlobalQueue {
 public:
  // Appends one / many, in their order.
  void push(Fiber* fiber) { push_batch(&fiber, 1); }
  void push_batch(Fiber** fibers, std::uint32_t count);

  // Takes up to `count` fibers into `out`, oldest first; returns how many.
  std::uint32_t pop(Fiber** out, std::uint32_t count);

  [[nodiscard]] std::int64_t size() const noexcept { return size_.load(std::memory_order_seq_cst); }

 private:
  SpinLock lock_;
  Fiber* head_ = nullptr;            // guarded by lock_
  Fiber* tail_ = nullptr;            // guarded by lock_
  std::atomic<std::int64_t> size_{0};  // written under lock_; see the invariant
};

}  // namespace creel::sched
