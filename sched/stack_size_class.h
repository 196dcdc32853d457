// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What a StackPool knows of the stacks of one size. Internal to stack_pool.cc and stack_release.cc.
//
// Thread safety: all fields but the first group are guarded by mu.

#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "creel/sched/slab.h"
#include "creel/sched/stack_pool.h"

namespace creel::sched {

inline constexpr std::uint32_t kStackChunk = 256;         // stacks that age together
inline constexpr std::size_t kFreshStackChunks = 2;       // kept as they are
inline constexpr std::size_t kTrimmedStackChunks = 16;    // kept trimmed: 4096 stacks, at most 64 MiB

// Full lists of kStackChunk free stacks.
struct StackChunk {
  Stack* head = nullptr;    // linked by Stack::next
  std::uint32_t epoch = 0;  // StackPool::epoch_ when it became full
  bool trimmed = false;
};

struct alignas(64) StackPool::SizeClass {
  std::size_t size = 0;
  std::size_t guard = 0;
  std::uint32_t index = 0;

  mutable std::mutex mu;
  // Where stacks come from and go to first; full, it becomes the newest chunk.
  Stack* hot = nullptr;
  std::uint32_t hot_count = 0;
  std::vector<StackChunk> chunks;  // the newest last; carving reserves room for all, so that a release never allocates

  Slab* slabs = nullptr;
  Slab* cold_slabs = nullptr;
  Slab* open_slabs = nullptr;

  std::size_t mapped_bytes = 0;
  std::size_t carved = 0;
  std::size_t free = 0;

  [[nodiscard]] std::size_t stride() const noexcept { return size + guard; }
};

}  // namespace creel::sched
