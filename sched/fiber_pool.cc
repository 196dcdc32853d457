// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/fiber_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "creel/sched/base/check.h"

namespace creel::sched {

FiberPool::~FiberPool() {
  for (const Slab& slab : slabs_) munmap(slab.fibers, slab.bytes);
}

void FiberPool::grow() {
  Slab slab;
  slab.bytes = slabs_.empty() ? kFirstSlabBytes : std::min(slabs_.back().bytes * 2, kHugeBytes);
  // A huge page wants its alignment: map one more and return what lies around it.
  const std::size_t extra = slab.bytes == kHugeBytes ? kHugeBytes : 0;
  // Zero pages are dead fibers: FiberStatus::kDead is 0.
  void* memory = mmap(nullptr, slab.bytes + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    fail("out of memory: cannot map " + std::to_string(slab.bytes + extra) + " bytes for fiber objects");
  }
  auto* base = static_cast<std::byte*>(memory);
  if (extra != 0) {
    const std::size_t before = (kHugeBytes - reinterpret_cast<std::uintptr_t>(base) % kHugeBytes) % kHugeBytes;
    if (before != 0) munmap(base, before);
    base += before;
    if (extra != before) munmap(base + slab.bytes, extra - before);
    static_cast<void>(madvise(base, slab.bytes, MADV_HUGEPAGE));  // fails where there are none
  }
  slab.fibers = reinterpret_cast<Fiber*>(base);
  slabs_.push_back(slab);
}

FiberPool::Batch& FiberPool::batch_of(Fiber* head) noexcept {
  static_assert(sizeof(Batch) <= Fiber::kInlineClosure);
  return *std::launder(reinterpret_cast<Batch*>(head->closure));
}

void FiberPool::push_batch(Fiber* head, std::uint32_t count) noexcept {
  new (head->closure) Batch{batches_, count};
  batches_ = head;
}

Fiber* FiberPool::allocate(std::uint32_t count, std::uint32_t& taken) {
  std::lock_guard guard(lock_);
  if (Fiber* head = batches_; head != nullptr) {
    const Batch batch = batch_of(head);
    batches_ = batch.next;
    taken = std::min(count, batch.count);
    if (taken < batch.count) {
      Fiber* tail = head;
      for (std::uint32_t i = 1; i < taken; ++i) tail = tail->next;
      push_batch(std::exchange(tail->next, nullptr), batch.count - taken);
    }
    return head;
  }
  if (slabs_.empty() || slabs_.back().used == slabs_.back().capacity()) grow();
  Slab& slab = slabs_.back();
  Fiber* head = slab.fibers + slab.used;
  taken = static_cast<std::uint32_t>(std::min<std::size_t>(count, slab.capacity() - slab.used));
  for (std::uint32_t i = 0; i < taken; ++i) new (head + i) Fiber;
  for (std::uint32_t i = 0; i + 1 < taken; ++i) head[i].next = head + i + 1;
  slab.used += taken;
  return head;
}

void FiberPool::release(Fiber* head, std::uint32_t count) {
  std::lock_guard guard(lock_);
  push_batch(head, count);
}

std::size_t FiberPool::slab_count() {
  std::lock_guard guard(lock_);
  return slabs_.size();
}

FiberPool::Slab FiberPool::slab_at(std::size_t index) {
  std::lock_guard guard(lock_);
  return slabs_[index];
}

void FiberCache::refill(FiberPool& pool) { head_ = pool.allocate(kBatch, count_); }

void FiberCache::spill(FiberPool& pool) {
  Fiber* head = head_;
  Fiber* tail = head;
  for (std::uint32_t i = 1; i < kBatch; ++i) tail = tail->next;
  head_ = std::exchange(tail->next, nullptr);
  count_ -= kBatch;
  pool.release(head, kBatch);
}

void FiberCache::drain(FiberPool& pool) {
  if (head_ == nullptr) return;
  pool.release(head_, count_);
  head_ = nullptr;
  count_ = 0;
}

}  // namespace creel::sched
