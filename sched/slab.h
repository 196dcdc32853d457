// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// One mapping cut into equal stacks, and the process-wide list of all slabs, readable from a signal handler.
//
// A Slab record is never freed: records of dead pools are reused, so a reader of the list never meets freed memory.
// Thread safety: fields marked "pool" are guarded by the lock of the pool's size class; atomics may be read by anyone.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "creel/sched/stack.h"

namespace creel::sched {

class StackPool;

struct Slab {
  static constexpr std::uint32_t kMaxStacks = 1024;

  // Null while the record is unused. Release store pairs with the acquire load in find_slab(): who sees the base also
  // sees the fields below it.
  std::atomic<std::uintptr_t> base{0};
  std::atomic<std::size_t> bytes{0};   // relaxed; ordered by base
  std::atomic<std::size_t> stride{0};  // relaxed; ordered by base: guard and stack together
  std::atomic<std::size_t> guard{0};   // relaxed; ordered by base
  // Stacks cut so far; those below have a descriptor or a zero page in its place. Relaxed: a reader in the fault
  // handler looks for a stack its own thread runs on.
  std::atomic<std::uint32_t> carved{0};

  std::uint32_t capacity = 0;                              // pool: constant while in use
  std::uint32_t cold = 0;                                  // pool: number of bits set in cold_bits
  std::array<std::uint64_t, kMaxStacks / 64> cold_bits{};  // pool: cut stacks whose memory was given back
  Slab* next = nullptr;                                    // pool: all slabs of the size class
  Slab* next_cold = nullptr;                               // pool: slabs with cold stacks, and some that had
  Slab* next_open = nullptr;                               // pool: slabs not wholly cut
  bool in_cold_list = false;                               // pool
  bool in_open_list = false;                               // pool

  Slab* next_all = nullptr;  // the process-wide list; constant once published

  // The descriptor of stack `index`; its memory is zero if the stack is cold.
  [[nodiscard]] Stack* descriptor(std::uint32_t index) const noexcept;
  // Where stack `index` with its guard begins.
  [[nodiscard]] std::uintptr_t start(std::uint32_t index) const noexcept {
    return base.load(std::memory_order_relaxed) + index * stride.load(std::memory_order_relaxed);
  }
};

// Takes an unused record or makes one. Returns null when out of memory. Thread safety: any thread.
[[nodiscard]] Slab* new_slab_record() noexcept;
// Publishes a record whose other fields are set.
void publish_slab(Slab& slab, std::uintptr_t base) noexcept;
// Gives a record back. The mapping may be unmapped afterwards.
void retire_slab(Slab& slab) noexcept;

// The slab that contains `address`, or null. Async-signal-safe; linear in the number of slabs.
[[nodiscard]] const Slab* find_slab(std::uintptr_t address) noexcept;

}  // namespace creel::sched
