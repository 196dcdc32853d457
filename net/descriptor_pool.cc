// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/descriptor_pool.h"

#include <memory>
#include <mutex>

namespace creel::net::detail {

DescriptorPool& DescriptorPool::instance() {
  static DescriptorPool* const pool = new DescriptorPool;  // never freed: sockets may live in static objects
  return *pool;
}

Descriptor* DescriptorPool::at(std::uint32_t index) const noexcept {
  return chunks_[index / kChunk].load(std::memory_order_acquire) + index % kChunk;
}

Descriptor* DescriptorPool::take() {
  for (std::unique_ptr<Descriptor[]> spare;;) {
    {
      std::lock_guard guard(lock_);
      const std::uint32_t made = made_.load(std::memory_order_relaxed);
      if (free_ == nullptr && spare != nullptr) {
        Descriptor* chunk = spare.release();
        for (std::uint32_t i = kChunk; i-- > 0;) {
          chunk[i].index_ = made + i;
          chunk[i].next_free_ = free_;
          free_ = &chunk[i];
        }
        chunks_[made / kChunk].store(chunk, std::memory_order_release);
        made_.store(made + kChunk, std::memory_order_release);
      }
      if (Descriptor* descriptor = free_) {
        free_ = descriptor->next_free_;
        descriptor->next_free_ = nullptr;
        used_.fetch_add(1, std::memory_order_relaxed);
        return descriptor;
      }
      if (made == kChunk * kChunks) return nullptr;
    }
    spare.reset(new Descriptor[kChunk]);  // not under the lock
  }
}

void DescriptorPool::give(Descriptor* descriptor) noexcept {
  descriptor->poller_.store(nullptr, std::memory_order_relaxed);
  // Release: events from now on name somebody else. Wraps after 4 billion uses; then readiness is still but a hint.
  descriptor->sequence_.fetch_add(1, std::memory_order_release);
  used_.fetch_sub(1, std::memory_order_relaxed);
  std::lock_guard guard(lock_);
  descriptor->next_free_ = free_;
  free_ = descriptor;
}

}  // namespace creel::net::detail
