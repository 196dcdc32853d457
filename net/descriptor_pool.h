// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// All Descriptors of the process, by index. Made in chunks, reused, never freed: a late epoll event, or a socket that
// outlives its runtime, finds valid memory.
//
// Thread safety: all functions.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "creel/net/descriptor.h"
#include "creel/sched/base/spinlock.h"

namespace creel::net::detail {

class DescriptorPool {
 public:
  static DescriptorPool& instance();

  // A descriptor out of use. Errors: std::bad_alloc; null: too many (1,048,576).
  [[nodiscard]] Descriptor* take();
  // Takes it back; its sequence changes.
  void give(Descriptor* descriptor) noexcept;
  // The one with this index, in use or not. Requires: an index that take() has given out.
  [[nodiscard]] Descriptor* at(std::uint32_t index) const noexcept;
  // Calls `visit` for all, in use or not.
  template <typename F>
  void for_each(F visit) {
    const std::uint32_t count = made_.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < count; ++i) visit(*at(i));
  }
  // Descriptors in use; outdated as soon as read. For tests and statistics.
  [[nodiscard]] std::uint32_t in_use() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kChunk = 64;
  static constexpr std::uint32_t kChunks = 16384;

  // Release when a chunk is added, acquire by who looks an index up: the chunk is seen constructed.
  std::array<std::atomic<Descriptor*>, kChunks> chunks_{};
  std::atomic<std::uint32_t> made_{0};
  std::atomic<std::uint32_t> used_{0};
  sched::SpinLock lock_;
  Descriptor* free_ = nullptr;  // guarded by lock_
};

}  // namespace creel::net::detail
