// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The pool of free fiber stacks of a runtime, and the per-processor cache before it.
//
// Sizes are powers of two from 16 KiB to 64 MiB (a size in between is rounded up); below each stack lies a guard of 17
// pages, which costs address space only and which a frame of up to 64 KiB cannot jump over. Stack and guard together
// are an odd number of pages, so that the tops of many stacks do not share one set of the TLB.
//
// A free stack is in one of three states, by age (a peak's stacks go down the list, a steady load stays in the first):
//   fresh    memory as the last fiber left it
//   trimmed  all but the top kKeptBytes given back to the kernel
//   cold     all memory given back, the descriptor too; known by a bit in its slab
// A release only links the stack; scavenge(), called by the monitor, moves what has lain unused for a second down the
// list. A slab all of whose stacks are cold is mapped anew, which frees its page tables. Slabs stay mapped until the
// pool dies: a tracer that walks the stack of a fiber that just ended reads old or zero words, but never faults.
//
// Thread safety: all functions from any thread, but scavenge() from one at a time. Blocking: system calls on the way to
// new stacks and in scavenge(); a mutex per size class. Allocates: one record per slab, one list per size class.

#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <system_error>

#include "creel/sched/stack.h"

#if defined(CREEL_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace creel::sched {

// How the guard below a stack is made.
enum class GuardKind : std::uint8_t {
  kAuto,     // kMarker where the kernel has it, else kProtect
  kMarker,   // MADV_GUARD_INSTALL (Linux 6.13): no additional mapping
  kProtect,  // mprotect: two mappings per stack, so vm.max_map_count limits the number of stacks
};

// The system calls of a pool; tests replace them to inject failures. Each follows the convention of its namesake.
struct StackSystem {
  void* (*map)(void* address, std::size_t bytes, int flags) noexcept;
  int (*protect_none)(void* address, std::size_t bytes) noexcept;
  int (*advise)(void* address, std::size_t bytes, int advice) noexcept;
  // madvise() of many ranges; -1 unless all were done (process_madvise() on oneself, Linux 6.14; any error before).
  int (*advise_many)(const iovec* ranges, std::size_t count, int advice) noexcept;

  [[nodiscard]] static const StackSystem& real() noexcept;
};

// Under ASan a free stack is poisoned; this also clears what the frames of an ended fiber left poisoned.
inline void mark_stack_used([[maybe_unused]] Stack& stack) noexcept {
#if defined(CREEL_ASAN)
  __asan_unpoison_memory_region(reinterpret_cast<void*>(stack.bounds.low), stack.bounds.high - stack.bounds.low);
#endif
}
inline void mark_stack_free(Stack& stack) noexcept {
  stack.owner = 0;
#if defined(CREEL_ASAN)
  __asan_poison_memory_region(reinterpret_cast<void*>(stack.bounds.low), stack.bounds.high - stack.bounds.low);
#endif
}

class StackPool {
 public:
  static constexpr std::size_t kMinSize = std::size_t{16} << 10;
  static constexpr std::size_t kMaxSize = std::size_t{64} << 20;
  static constexpr std::size_t kKeptBytes = std::size_t{16} << 10;
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  // `default_size` is rounded as every size; one above kMaxSize counts as kMaxSize (Options reports such a value
  // before).
  explicit StackPool(std::size_t default_size, GuardKind guard = GuardKind::kAuto,
                     const StackSystem& system = StackSystem::real()) noexcept;
  // Unmaps all. Requires: nobody runs on, or walks, a stack of this pool.
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  // A stack of at least `size` bytes (0: the default size), or null.
  // Errors: not_enough_memory (the kernel's ENOMEM: address space, vm.max_map_count or overcommit;
  // describe_stack_error() tells which), invalid_argument (above kMaxSize).
  [[nodiscard]] Stack* allocate(std::size_t size, std::error_code& error) noexcept;
  // One to `count` stacks of the default size into `out`; returns how many. `error` is set when it is none.
  [[nodiscard]] std::uint32_t allocate_batch(Stack** out, std::uint32_t count, std::error_code& error) noexcept;
  // Takes a stack back. Requires: nothing runs on it.
  void release(Stack* stack) noexcept;
  // Takes back many, of any sizes, linked by Stack::next.
  void release_list(Stack* head) noexcept;

  // Gives back memory of stacks that have been free for about a second, a bounded amount per call: all but 512 fresh
  // and 4096 trimmed stacks of a size. `now` in ns of a monotonic clock. Returns how many ns later it wants to be called
  // again; kNever: not before another release. Blocking: system calls, a few ms. Caller: one thread at a time.
  [[nodiscard]] std::int64_t scavenge(std::int64_t now) noexcept;

  struct Stats {
    std::size_t mapped_bytes = 0;  // address space
    std::size_t stacks_total = 0;  // cut so far
    std::size_t stacks_free = 0;   // of these, in the pool (those in a StackCache count as used)
  };
  [[nodiscard]] Stats stats() const noexcept;
  [[nodiscard]] std::size_t default_size() const noexcept { return default_size_; }
  // The kind in use; kAuto before the first stack.
  [[nodiscard]] GuardKind guard_kind() const noexcept;

 private:
  struct SizeClass;
  struct Place {
    Slab* slab;
    std::uint32_t index;
  };

  [[nodiscard]] std::uint32_t take(SizeClass& size_class, Stack** out, std::uint32_t count,
                                   std::error_code& error) noexcept;
  [[nodiscard]] std::uint32_t take_new(SizeClass& size_class, Place* out, std::uint32_t count,
                                       std::error_code& error) noexcept;
  [[nodiscard]] bool take_cold(SizeClass& size_class, Place& out) noexcept;
  [[nodiscard]] std::uint32_t carve(SizeClass& size_class, Place* out, std::uint32_t count,
                                    std::error_code& error) noexcept;
  [[nodiscard]] bool add_slab(SizeClass& size_class, std::error_code& error) noexcept;
  [[nodiscard]] std::uint32_t install_guards(const Slab& slab, std::uint32_t first, std::uint32_t count,
                                             std::error_code& error) noexcept;
  [[nodiscard]] bool install_guard(void* address, std::error_code& error) noexcept;
  void touch_tops(const Place* places, std::uint32_t count) noexcept;
  [[nodiscard]] Stack* make_descriptor(SizeClass& size_class, Place place) noexcept;

  void put(SizeClass& size_class, Stack* stack) noexcept;
  [[nodiscard]] bool scavenge_one(SizeClass& size_class, bool& left) noexcept;
  void trim(SizeClass& size_class, Stack* chunk) noexcept;
  void chill(SizeClass& size_class, Stack* chunk) noexcept;
  void reset(SizeClass& size_class, Slab& slab) noexcept;

  static constexpr std::size_t kClasses = 13;  // 16 KiB << 0 .. 12

  const StackSystem& system_;
  std::size_t default_size_;
  std::atomic<GuardKind> guard_;         // relaxed: only ever changes from kAuto to what works
  std::atomic<bool> advises_many_{true};  // relaxed: only ever changes to false
  std::atomic<std::uint32_t> epoch_{0};  // quarters of a second in which scavenge() was called; relaxed: an age
  // Some class may have chunks to give back. Relaxed: set under the class's lock, where scavenge() looks after clearing.
  std::atomic<bool> surplus_{false};
  std::int64_t epoch_began_ = 0;    // scavenge()'s own
  std::int64_t next_scavenge_ = 0;  // scavenge()'s own
  std::unique_ptr<SizeClass[]> classes_;
};

// The free stacks of one processor: last in, first out, default size only.
// Thread safety: none; belongs to whoever holds the processor.
class StackCache {
 public:
  static constexpr std::uint32_t kCapacity = 64;

  StackCache() noexcept = default;
  StackCache(const StackCache&) = delete;
  StackCache& operator=(const StackCache&) = delete;

  // A stack of the default size, or null. Errors: as StackPool::allocate.
  [[nodiscard]] Stack* get(StackPool& pool, std::error_code& error) noexcept {
    if (count_ == 0) [[unlikely]] {
      if (!refill(pool, error)) return nullptr;
    }
    Stack* const stack = stacks_[--count_];
    mark_stack_used(*stack);
    return stack;
  }
  // Sees to it that the next get() finds a stack, where it may come from the kernel while a lock is held. Never fails:
  // that get() reports it.
  void restock(StackPool& pool) noexcept {
    if (count_ == 0) [[unlikely]] {
      std::error_code error;
      static_cast<void>(refill(pool, error));
    }
  }
  // Takes a stack back; one of another size, and half the cache when it is full, goes to the pool.
  void put(Stack* stack, StackPool& pool) noexcept;
  // Gives all stacks to the pool. Call before the cache or the pool dies.
  void drain(StackPool& pool) noexcept;
  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }

 private:
  [[nodiscard]] bool refill(StackPool& pool, std::error_code& error) noexcept;

  std::uint32_t count_ = 0;
  std::array<Stack*, kCapacity> stacks_;
};

// A message for a user whose program got `error` from `pool`: names the limit that was hit, its value and the remedy.
// Allocates; reads /proc.
[[nodiscard]] std::string describe_stack_error(std::error_code error, const StackPool& pool);

}  // namespace creel::sched
