// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/fiber_pool.h"

#include <sys/mman.h>

#include <mutex>
#include <new>

#include "creel/sched/base/check.h"

namespace creel::sched {

FiberPool::~FiberPool() {
  for (Fiber* slab : slabs_) munmap(slab, kSlabBytes);
}

void FiberPool::grow() {
  // Zero pages are dead fibers: FiberStatus::kDead is 0.
  void* memory = mmap(nullptr, kSlabBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("out of memory: cannot map 1 MiB for fiber objects");
  auto* slab = static_cast<Fiber*>(memory);
  for (std::size_t i = 0; i < kPerSlab; ++i) new (slab + i) Fiber;
  for (std::size_t i = 0; i + 1 < kPerSlab; ++i) slab[i].next = slab + i + 1;
  slab[kPerSlab - 1].next = free_;
  free_ = slab;
  slabs_.push_back(slab);
}

Fiber* FiberPool::allocate(std::uint32_t count) {
  std::lock_guard guard(lock_);
  if (free_ == nullptr) grow();
  Fiber* head = free_;
  Fiber* tail = head;
  for (std::uint32_t i = 1; i < count && tail->next != nullptr; ++i) tail = tail->next;
  free_ = tail->next;
  tail->next = nullptr;
  return head;
}

void FiberPool::release(Fiber* head, Fiber* tail) {
  std::lock_guard guard(lock_);
  tail->next = free_;
  free_ = head;
}

std::size_t FiberPool::used_slabs() {
  std::lock_guard guard(lock_);
  return slabs_.size();
}

Fiber* FiberPool::slab_at(std::size_t index) {
  std::lock_guard guard(lock_);
  return slabs_[index];
}

void FiberCache::refill(FiberPool& pool) {
  head_ = pool.allocate(kBatch);
  count_ = 0;
  for (Fiber* f = head_; f != nullptr; f = f->next) ++count_;
}

void FiberCache::spill(FiberPool& pool) {
  Fiber* head = head_;
  Fiber* tail = head;
  for (std::uint32_t i = 1; i < kBatch; ++i) tail = tail->next;
  head_ = tail->next;
  count_ -= kBatch;
  pool.release(head, tail);
}

void FiberCache::drain(FiberPool& pool) {
  if (head_ == nullptr) return;
  Fiber* tail = head_;
  while (tail->next != nullptr) tail = tail->next;
  pool.release(head_, tail);
  head_ = nullptr;
  count_ = 0;
}

}  // namespace creel::sched
