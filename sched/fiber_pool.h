// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// All fibers of a runtime: slabs of Fiber objects, free ones for reuse, and the walk over the live ones.
//
// Thread safety: all functions from any thread; the per-P FiberCache only from the holder of the P.
// Memory: slabs are never unmapped before the pool dies (type-stable), so the tracer's sweep and dumps may look at a
// fiber that ends meanwhile. Blocking: a short lock per batch.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "creel/sched/base/spinlock.h"
#include "creel/sched/fiber.h"

namespace creel::sched {

class FiberPool {
 public:
  FiberPool() = default;
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  // Held while a fiber's name is taken away, and by whoever reads the name of a fiber it does not own.
  SpinLock names_lock;

  // Takes up to `count` dead fibers, linked by next. Never returns null: ends the process when memory is exhausted.
  Fiber* allocate(std::uint32_t count);
  // Gives back a list of dead fibers linked by next.
  void release(Fiber* head, Fiber* tail);

  // Calls `visit(fiber)` for every slot ever used, dead ones included: look at status.
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (std::size_t i = 0, n = used_slabs(); i < n; ++i) {
      Fiber* slab = slab_at(i);
      for (std::size_t k = 0; k < kPerSlab; ++k) visit(slab[k]);
    }
  }

 private:
  static constexpr std::size_t kSlabBytes = 1u << 20;
  static constexpr std::size_t kPerSlab = kSlabBytes / sizeof(Fiber);

  std::size_t used_slabs();
  Fiber* slab_at(std::size_t index);
  void grow();  // requires lock_

  SpinLock lock_;
  std::vector<Fiber*> slabs_;  // guarded by lock_
  Fiber* free_ = nullptr;      // guarded by lock_
};

// A processor's own stock of dead fibers. Caller: the holder of the P.
class FiberCache {
 public:
  Fiber* get(FiberPool& pool) {
    if (head_ == nullptr) refill(pool);
    Fiber* fiber = head_;
    head_ = fiber->next;
    --count_;
    return fiber;
  }
  void put(Fiber* fiber, FiberPool& pool) {
    fiber->next = head_;
    head_ = fiber;
    if (++count_ > 2 * kBatch) spill(pool);
  }
  void drain(FiberPool& pool);

 private:
  static constexpr std::uint32_t kBatch = 64;
  void refill(FiberPool& pool);
  void spill(FiberPool& pool);

  Fiber* head_ = nullptr;
  std::uint32_t count_ = 0;
};

}  // namespace creel::sched
