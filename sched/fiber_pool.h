// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// All fibers of a runtime: slabs of Fiber objects, free ones for reuse, and the walk over the live ones.
//
// Slabs double from 64 KiB to 2 MiB; those of 2 MiB ask for a huge page: a million fibers then take a hundred faults and as
// many entries of the TLB. Free fibers are kept in the batches in which they came: nobody walks a list of cold objects.
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

  // Takes `count` dead fibers or fewer, linked by next; `taken` says how many. Never returns null: ends the process when
  // memory is exhausted.
  Fiber* allocate(std::uint32_t count, std::uint32_t& taken);
  Fiber* allocate_one() {
    std::uint32_t taken = 0;
    return allocate(1, taken);
  }
  // Gives back a list of `count` dead fibers linked by next, the last one's null.
  void release(Fiber* head, std::uint32_t count);

  // Calls `visit(fiber)` for every slot ever used, dead ones included: look at status.
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (std::size_t i = 0, n = slab_count(); i < n; ++i) {
      const Slab slab = slab_at(i);
      for (std::size_t k = 0; k < slab.used; ++k) visit(slab.fibers[k]);
    }
  }

 private:
  static constexpr std::size_t kFirstSlabBytes = std::size_t{64} << 10;
  static constexpr std::size_t kHugeBytes = std::size_t{2} << 20;

  struct Slab {
    Fiber* fibers = nullptr;
    std::size_t bytes = 0;
    std::size_t used = 0;  // made so far, from the first on
    [[nodiscard]] std::size_t capacity() const noexcept { return bytes / sizeof(Fiber); }
  };
  // In the closure's room of a batch's first fiber.
  struct Batch {
    Fiber* next;  // first fiber of the next batch
    std::uint32_t count;
  };
  [[nodiscard]] static Batch& batch_of(Fiber* head) noexcept;

  std::size_t slab_count();
  Slab slab_at(std::size_t index);
  void grow();                                            // requires lock_
  void push_batch(Fiber* head, std::uint32_t count) noexcept;  // requires lock_

  SpinLock lock_;
  std::vector<Slab> slabs_;    // guarded by lock_; only the last one has fibers not made yet
  Fiber* batches_ = nullptr;   // guarded by lock_
};

// A processor's own stock of dead fibers. Caller: the holder of the P.
class FiberCache {
 public:
  Fiber* get(FiberPool& pool) {
    if (head_ == nullptr) refill(pool);
    Fiber* fiber = head_;
    head_ = fiber->next;
    if (head_ != nullptr) __builtin_prefetch(&head_->next, 1);  // read by the next call
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
