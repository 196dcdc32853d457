// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Where free stacks go: onto a list when a fiber ends, and their memory to the kernel when they have lain there for long.
//
// A fiber's end pays for no system call: a load that swells and ebbs within a second would give back pages only to
// fault them in again.

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "creel/sched/slab.h"
#include "creel/sched/stack_pool.h"
#include "creel/sched/stack_size_class.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_DEREGISTER(id) static_cast<void>(id)
#endif
#if defined(CREEL_ASAN)
#include <sanitizer/lsan_interface.h>
#endif
#if defined(CREEL_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace creel::sched {
namespace {

constexpr std::int64_t kEpoch = 250'000'000;   // ns
constexpr std::uint32_t kOldEpochs = 4;        // unused for so long: given back
constexpr std::int64_t kPause = 10'000'000;    // ns between two calls that give back
constexpr int kChunksPerCall = 8;              // some 2 ms: the monitor has other duties

// Ends what outside tools know of a stack whose descriptor is about to go.
void forget(Stack& stack) noexcept {
  if (stack.valgrind_id != 0) VALGRIND_STACK_DEREGISTER(stack.valgrind_id);
  stack.valgrind_id = 0;
#if defined(CREEL_TSAN)
  if (stack.tsan_fiber != nullptr) __tsan_destroy_fiber(stack.tsan_fiber);
#endif
  stack.tsan_fiber = nullptr;
}

}  // namespace

StackPool::~StackPool() {
  for (std::uint32_t i = 0; i < kClasses; ++i) {
    Slab* next = nullptr;
    for (Slab* slab = classes_[i].slabs; slab != nullptr; slab = next) {
      next = slab->next;
      for (std::uint32_t k = 0; k < slab->carved.load(std::memory_order_relaxed); ++k) {
        const bool cold = (slab->cold_bits[k / 64] >> (k % 64) & 1) != 0;
        if (cold) continue;
        Stack& stack = *slab->descriptor(k);
        mark_stack_used(stack);
        forget(stack);
      }
      void* const base = reinterpret_cast<void*>(slab->base.load(std::memory_order_relaxed));
      const std::size_t bytes = slab->bytes.load(std::memory_order_relaxed);
      retire_slab(*slab);
      if (bytes == 0) continue;  // given up: reset()
#if defined(CREEL_ASAN)
      __lsan_unregister_root_region(base, bytes);
      __asan_unpoison_memory_region(base, bytes);
#endif
      munmap(base, bytes);
    }
  }
}

// Requires: mu held.
void StackPool::put(SizeClass& size_class, Stack* stack) noexcept {
  if (size_class.hot_count == kStackChunk) {
    size_class.chunks.push_back({size_class.hot, epoch_.load(std::memory_order_relaxed), false});
    size_class.hot = nullptr;
    size_class.hot_count = 0;
    if (size_class.chunks.size() > kFreshStackChunks && !surplus_.load(std::memory_order_relaxed)) {
      surplus_.store(true, std::memory_order_relaxed);
    }
  }
  mark_stack_free(*stack);
  stack->next = size_class.hot;
  size_class.hot = stack;
  ++size_class.hot_count;
  ++size_class.free;
}

void StackPool::release(Stack* stack) noexcept {
  stack->next = nullptr;
  release_list(stack);
}

void StackPool::release_list(Stack* head) noexcept {
  while (head != nullptr) {
    SizeClass& size_class = classes_[head->size_class];
    const std::lock_guard lock(size_class.mu);
    while (head != nullptr && head->size_class == size_class.index) put(size_class, std::exchange(head, head->next));
  }
}

std::int64_t StackPool::scavenge(std::int64_t now) noexcept {
  if (!surplus_.load(std::memory_order_relaxed)) return kNever;
  if (now < next_scavenge_) return next_scavenge_ - now;
  if (now - epoch_began_ >= kEpoch) {
    // One, however long ago the last call was: what was released meanwhile may be young.
    epoch_.fetch_add(1, std::memory_order_relaxed);
    epoch_began_ = now;
  }
  surplus_.store(false, std::memory_order_relaxed);
  int done = 0;
  bool left = false;
  for (std::uint32_t i = 0; i < kClasses; ++i) {
    while (done < kChunksPerCall && scavenge_one(classes_[i], left)) ++done;
  }
  if (done == kChunksPerCall) left = true;  // not looked at all
  if (!left) return kNever;
  surplus_.store(true, std::memory_order_relaxed);
  const std::int64_t pause = done > 0 ? kPause : kEpoch;
  next_scavenge_ = now + pause;
  return pause;
}

// Gives back memory of one chunk if one is old enough. Else false, and `left` is set if one will be.
bool StackPool::scavenge_one(SizeClass& size_class, bool& left) noexcept {
  const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed);
  StackChunk chunk;
  bool surplus = false;
  {
    const std::lock_guard lock(size_class.mu);
    std::vector<StackChunk>& chunks = size_class.chunks;
    if (chunks.size() <= kFreshStackChunks) return false;
    surplus = chunks.size() > kFreshStackChunks + kTrimmedStackChunks;
    auto at = chunks.begin();
    if (!surplus) {
      const auto fresh = chunks.end() - kFreshStackChunks;
      at = std::find_if(at, fresh, [](const StackChunk& other) { return !other.trimmed; });
      if (at == fresh) return false;
    }
    if (epoch - at->epoch < kOldEpochs) {
      left = true;
      return false;
    }
    chunk = *at;
    chunks.erase(at);
    size_class.free -= kStackChunk;
  }
  if (surplus) {
    chill(size_class, chunk.head);
  } else {
    trim(size_class, chunk.head);
  }
  return true;
}

// Gives back all but kKeptBytes of each stack and puts the chunk before all others.
void StackPool::trim(SizeClass& size_class, Stack* chunk) noexcept {
  if (size_class.size > kKeptBytes) {
    for (const Stack* stack = chunk; stack != nullptr; stack = stack->next) {
      system_.advise(reinterpret_cast<void*>(stack->bounds.low), size_class.size - kKeptBytes, MADV_DONTNEED);
    }
  }
  const std::lock_guard lock(size_class.mu);
  size_class.chunks.insert(size_class.chunks.begin(), {chunk, epoch_.load(std::memory_order_relaxed), true});
  size_class.free += kStackChunk;
}

// Gives back all memory of a chunk, neighbours in one call.
void StackPool::chill(SizeClass& size_class, Stack* chunk) noexcept {
  std::array<Place, kStackChunk> places;
  std::size_t count = 0;
  for (; chunk != nullptr && count < places.size(); ++count) {
    places[count] = {chunk->slab, chunk->index};
    Stack& stack = *std::exchange(chunk, chunk->next);
    forget(stack);
  }
  std::sort(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count),
            [](const Place& a, const Place& b) { return a.slab != b.slab ? a.slab < b.slab : a.index < b.index; });
  for (std::size_t first = 0, next = 0; first < count; first = next) {
    for (next = first + 1;
         next < count && places[next].slab == places[first].slab && places[next].index == places[next - 1].index + 1;) {
      ++next;
    }
    const std::uintptr_t begin = places[first].slab->start(places[first].index) + size_class.guard;
    const std::uintptr_t end = places[first].slab->start(places[next - 1].index) + size_class.stride();
    system_.advise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // guards in between stay
  }
  const std::lock_guard lock(size_class.mu);
  size_class.free += count;
  for (std::size_t i = 0; i < count; ++i) {
    Slab& slab = *places[i].slab;
    slab.cold_bits[places[i].index / 64] |= std::uint64_t{1} << (places[i].index % 64);
    ++slab.cold;
    if (slab.cold == slab.carved.load(std::memory_order_relaxed)) {
      reset(size_class, slab);
    } else if (!slab.in_cold_list) {
      slab.in_cold_list = true;
      slab.next_cold = size_class.cold_slabs;
      size_class.cold_slabs = &slab;
    }
  }
}

// Maps a wholly cold slab anew, which frees its page tables. Requires: mu held.
void StackPool::reset(SizeClass& size_class, Slab& slab) noexcept {
  void* const base = reinterpret_cast<void*>(slab.base.load(std::memory_order_relaxed));
  const std::size_t bytes = slab.bytes.load(std::memory_order_relaxed);
  const std::uint32_t carved = slab.carved.load(std::memory_order_relaxed);
  size_class.carved -= carved;
  size_class.free -= carved;
  slab.cold = 0;
  slab.cold_bits.fill(0);
  slab.carved.store(0, std::memory_order_relaxed);
  if (system_.map(base, bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_FIXED) == MAP_FAILED) {
    // The kernel may have taken the old mapping away before it failed, and given the range to others since: nothing here
    // touches it again. What is left of it stays mapped to the end of the process.
    size_class.mapped_bytes -= bytes;
#if defined(CREEL_ASAN)
    __lsan_unregister_root_region(base, bytes);
#endif
    slab.bytes.store(0, std::memory_order_relaxed);
    slab.capacity = 0;
    return;
  }
  static_cast<void>(system_.advise(base, bytes, MADV_NOHUGEPAGE));
  if (!slab.in_open_list) {
    slab.in_open_list = true;
    slab.next_open = size_class.open_slabs;
    size_class.open_slabs = &slab;
  }
}

}  // namespace creel::sched
