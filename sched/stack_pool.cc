// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/stack_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <mutex>
#include <new>
#include <utility>

#include "creel/sched/slab.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(low, high) 0
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

constexpr int kMadvGuardInstall = 102;  // MADV_GUARD_INSTALL, Linux 6.13; not in older headers
constexpr std::size_t kSlabBytes = std::size_t{64} << 20;
constexpr std::size_t kGuardPages = 17;
constexpr std::uint32_t kCarveBatch = 8;  // a small program should not touch a page for stacks it never uses
constexpr std::uint32_t kChunk = 256;     // stacks that age together
constexpr std::uint32_t kRing = 16;       // trimmed chunks kept: 4096 stacks, at most 64 MiB

std::size_t page_size() noexcept {
  static const std::size_t size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

std::error_code last_error() noexcept { return {errno, std::generic_category()}; }

// Size of the class that serves `size`, or 0 if none does.
std::size_t round_size(std::size_t size) noexcept {
#if defined(CREEL_ASAN)
  // Redzones make frames several times larger.
  if (size <= StackPool::kMaxSize) size = std::min(std::max(size * 4, std::size_t{1} << 20), StackPool::kMaxSize);
#endif
  if (size > StackPool::kMaxSize) return 0;
  return std::bit_ceil(std::max({size, StackPool::kMinSize, 4 * page_size()}));
}

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

const StackSystem& StackSystem::real() noexcept {
  static constexpr StackSystem system = {
      [](void* address, std::size_t bytes, int flags) noexcept {
        return mmap(address, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
      },
      [](void* address, std::size_t bytes) noexcept { return mprotect(address, bytes, PROT_NONE); },
      [](void* address, std::size_t bytes, int advice) noexcept { return madvise(address, bytes, advice); },
  };
  return system;
}

// All fields but the first group are guarded by mu.
struct alignas(64) StackPool::SizeClass {
  std::size_t size = 0;
  std::size_t guard = 0;
  std::uint32_t index = 0;

  mutable std::mutex mu;
  // Fresh stacks: `hot` fills first; full, it becomes `warm`, and the former `warm` is trimmed.
  Stack* hot = nullptr;
  Stack* warm = nullptr;
  std::uint32_t hot_count = 0;
  // Trimmed chunks, the newest last; full, the oldest becomes cold.
  std::array<Stack*, kRing> ring{};
  std::uint32_t ring_first = 0;
  std::uint32_t ring_count = 0;

  Slab* slabs = nullptr;
  Slab* cold_slabs = nullptr;
  Slab* open_slabs = nullptr;

  std::size_t mapped_bytes = 0;
  std::size_t carved = 0;
  std::size_t free = 0;

  [[nodiscard]] std::size_t stride() const noexcept { return size + guard; }
};

StackPool::StackPool(std::size_t default_size, GuardKind guard, const StackSystem& system) noexcept
    : system_(system),
      default_size_(round_size(std::min(default_size, kMaxSize))),
      guard_(guard),
      classes_(std::make_unique<SizeClass[]>(kClasses)) {
#if defined(CREEL_ASAN)
  // The leak checker reads slabs while the process is stopped; it sees what mprotect took away, but not a guard marker.
  if (guard == GuardKind::kAuto) guard_ = GuardKind::kProtect;
#endif
  if (guard == GuardKind::kAuto && RUNNING_ON_VALGRIND) guard_ = GuardKind::kProtect;
  for (std::uint32_t i = 0; i < kClasses; ++i) {
    classes_[i].size = kMinSize << i;
    classes_[i].guard = kGuardPages * page_size();
    classes_[i].index = i;
  }
}

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
#if defined(CREEL_ASAN)
      __lsan_unregister_root_region(base, bytes);
      __asan_unpoison_memory_region(base, bytes);
#endif
      retire_slab(*slab);
      munmap(base, bytes);
    }
  }
}

GuardKind StackPool::guard_kind() const noexcept { return guard_.load(std::memory_order_relaxed); }

Stack* StackPool::allocate(std::size_t size, std::error_code& error) noexcept {
  const std::size_t rounded = size == 0 ? default_size_ : round_size(size);
  if (rounded == 0) {
    error = std::make_error_code(std::errc::invalid_argument);
    return nullptr;
  }
  Stack* stack = nullptr;
  SizeClass& size_class = classes_[std::countr_zero(rounded) - std::countr_zero(kMinSize)];
  return take(size_class, &stack, 1, error) == 1 ? stack : nullptr;
}

std::uint32_t StackPool::allocate_batch(Stack** out, std::uint32_t count, std::error_code& error) noexcept {
  return take(classes_[std::countr_zero(default_size_) - std::countr_zero(kMinSize)], out, count, error);
}

std::uint32_t StackPool::take(SizeClass& size_class, Stack** out, std::uint32_t count,
                              std::error_code& error) noexcept {
  std::uint32_t taken = 0;
  std::uint32_t made = 0;
  const std::lock_guard lock(size_class.mu);
  while (taken < count) {
    if (size_class.hot == nullptr) {
      size_class.hot_count = 0;
      if (size_class.warm != nullptr) {
        size_class.hot = std::exchange(size_class.warm, nullptr);
        size_class.hot_count = kChunk;
      } else if (size_class.ring_count > 0) {
        --size_class.ring_count;
        size_class.hot = size_class.ring[(size_class.ring_first + size_class.ring_count) % kRing];
        size_class.hot_count = kChunk;
      }
    }
    Stack* stack = size_class.hot;
    if (stack != nullptr) {
      size_class.hot = stack->next;
      if (size_class.hot_count > 0) --size_class.hot_count;
      --size_class.free;
    } else {
      if (taken > 0 && made >= kCarveBatch) break;
      ++made;
      stack = take_cold(size_class);
      if (stack == nullptr) stack = carve(size_class, error);
      if (stack == nullptr) break;
    }
    stack->next = nullptr;
    mark_stack_used(*stack);
    out[taken++] = stack;
  }
  if (taken > 0) error.clear();
  return taken;
}

Stack* StackPool::take_cold(SizeClass& size_class) noexcept {
  while (Slab* const slab = size_class.cold_slabs) {
    if (slab->cold == 0) {
      size_class.cold_slabs = slab->next_cold;
      slab->in_cold_list = false;
      continue;
    }
    for (std::uint32_t word = 0; word < slab->cold_bits.size(); ++word) {
      if (slab->cold_bits[word] == 0) continue;
      const std::uint32_t index = word * 64 + static_cast<std::uint32_t>(std::countr_zero(slab->cold_bits[word]));
      slab->cold_bits[word] &= slab->cold_bits[word] - 1;
      --slab->cold;
      --size_class.free;
      return make_descriptor(size_class, *slab, index);
    }
  }
  return nullptr;
}

Stack* StackPool::carve(SizeClass& size_class, std::error_code& error) noexcept {
  while (size_class.open_slabs != nullptr &&
         size_class.open_slabs->carved.load(std::memory_order_relaxed) == size_class.open_slabs->capacity) {
    Slab* const full = size_class.open_slabs;
    size_class.open_slabs = full->next_open;
    full->in_open_list = false;
  }
  if (size_class.open_slabs == nullptr && !add_slab(size_class, error)) return nullptr;
  Slab& slab = *size_class.open_slabs;
  const std::uint32_t index = slab.carved.load(std::memory_order_relaxed);
  if (!install_guard(reinterpret_cast<void*>(slab.start(index)), error)) return nullptr;
  slab.carved.store(index + 1, std::memory_order_relaxed);
  ++size_class.carved;
  return make_descriptor(size_class, slab, index);
}

bool StackPool::add_slab(SizeClass& size_class, std::error_code& error) noexcept {
  Slab* const slab = new_slab_record();
  if (slab == nullptr) {
    error = std::make_error_code(std::errc::not_enough_memory);
    return false;
  }
  const std::size_t stride = size_class.stride();
  std::size_t capacity = std::clamp<std::size_t>(kSlabBytes / stride, 1, Slab::kMaxStacks);
  void* base = MAP_FAILED;
  // Near a limit of address space a smaller slab may still fit.
  for (;; capacity /= 2) {
    base = system_.map(nullptr, capacity * stride, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK);
    if (base != MAP_FAILED || capacity == 1) break;
  }
  if (base == MAP_FAILED) {
    error = last_error();
    retire_slab(*slab);
    return false;
  }
  // A huge page would commit 2 MiB for eight stacks. Fails on a kernel without huge pages, where it is not needed.
  static_cast<void>(system_.advise(base, capacity * stride, MADV_NOHUGEPAGE));
#if defined(CREEL_ASAN)
  __lsan_register_root_region(base, capacity * stride);
#endif
  slab->capacity = static_cast<std::uint32_t>(capacity);
  slab->bytes.store(capacity * stride, std::memory_order_relaxed);
  slab->stride.store(stride, std::memory_order_relaxed);
  slab->guard.store(size_class.guard, std::memory_order_relaxed);
  slab->next = size_class.slabs;
  size_class.slabs = slab;
  slab->next_open = nullptr;
  slab->in_open_list = true;
  size_class.open_slabs = slab;
  size_class.mapped_bytes += capacity * stride;
  publish_slab(*slab, reinterpret_cast<std::uintptr_t>(base));
  return true;
}

bool StackPool::install_guard(void* address, std::error_code& error) noexcept {
  const std::size_t bytes = kGuardPages * page_size();
  const GuardKind kind = guard_.load(std::memory_order_relaxed);
  if (kind != GuardKind::kProtect) {
    if (system_.advise(address, bytes, kMadvGuardInstall) == 0) {
      if (kind == GuardKind::kAuto) guard_.store(GuardKind::kMarker, std::memory_order_relaxed);
      return true;
    }
    // EINVAL: a kernel before 6.13, or memory locked by mlockall().
    if (errno != EINVAL || kind == GuardKind::kMarker) {
      error = last_error();
      return false;
    }
    guard_.store(GuardKind::kProtect, std::memory_order_relaxed);
  }
  if (system_.protect_none(address, bytes) == 0) return true;
  error = last_error();
  return false;
}

Stack* StackPool::make_descriptor(SizeClass& size_class, Slab& slab, std::uint32_t index) noexcept {
  Stack* const stack = new (slab.descriptor(index)) Stack;
  stack->bounds.low = slab.start(index) + size_class.guard;
  stack->bounds.high = reinterpret_cast<std::uintptr_t>(stack);
  stack->slab = &slab;
  stack->size_class = size_class.index;
  stack->is_default_size = size_class.size == default_size_ ? 1 : 0;
  stack->index = index;
  stack->valgrind_id = static_cast<std::uint32_t>(VALGRIND_STACK_REGISTER(stack->bounds.low, stack->bounds.high));
  return stack;
}

// Returns a chunk that must age, or null. Requires: mu held.
Stack* StackPool::put(SizeClass& size_class, Stack* stack) noexcept {
  Stack* aging = nullptr;
  if (size_class.hot_count >= kChunk) {
    aging = std::exchange(size_class.warm, size_class.hot);
    size_class.hot = nullptr;
    size_class.hot_count = 0;
  }
  mark_stack_free(*stack);
  stack->next = size_class.hot;
  size_class.hot = stack;
  ++size_class.hot_count;
  ++size_class.free;
  return aging;
}

void StackPool::release(Stack* stack) noexcept {
  stack->next = nullptr;
  release_list(stack);
}

void StackPool::release_list(Stack* head) noexcept {
  while (head != nullptr) {
    SizeClass& size_class = classes_[head->size_class];
    Stack* aging = nullptr;
    {
      const std::lock_guard lock(size_class.mu);
      while (aging == nullptr && head != nullptr && head->size_class == size_class.index) {
        aging = put(size_class, std::exchange(head, head->next));
      }
    }
    if (aging != nullptr) age(size_class, aging);
  }
}

// Trims a chunk, appends it to the ring, and makes the oldest cold if the ring is full.
void StackPool::age(SizeClass& size_class, Stack* chunk) noexcept {
  if (size_class.size > kKeptBytes) {
    for (const Stack* stack = chunk; stack != nullptr; stack = stack->next) {
      system_.advise(reinterpret_cast<void*>(stack->bounds.low), size_class.size - kKeptBytes, MADV_DONTNEED);
    }
  }
  Stack* oldest = nullptr;
  {
    const std::lock_guard lock(size_class.mu);
    if (size_class.ring_count == kRing) {
      oldest = size_class.ring[size_class.ring_first];
      size_class.ring_first = (size_class.ring_first + 1) % kRing;
      --size_class.ring_count;
    }
    size_class.ring[(size_class.ring_first + size_class.ring_count) % kRing] = chunk;
    ++size_class.ring_count;
  }
  if (oldest != nullptr) chill(size_class, oldest);
}

// Gives back all memory of a chunk, neighbours in one call.
void StackPool::chill(SizeClass& size_class, Stack* chunk) noexcept {
  struct Place {
    Slab* slab;
    std::uint32_t index;
  };
  std::array<Place, kChunk> places;
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
  if (system_.map(base, bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_FIXED) == MAP_FAILED) {
    if (!slab.in_cold_list) {
      slab.in_cold_list = true;
      slab.next_cold = size_class.cold_slabs;
      size_class.cold_slabs = &slab;
    }
    return;  // the stacks stay cold, with their guards
  }
  static_cast<void>(system_.advise(base, bytes, MADV_NOHUGEPAGE));
  const std::uint32_t carved = slab.carved.load(std::memory_order_relaxed);
  size_class.carved -= carved;
  size_class.free -= carved;
  slab.cold = 0;
  slab.cold_bits.fill(0);
  slab.carved.store(0, std::memory_order_relaxed);
  if (!slab.in_open_list) {
    slab.in_open_list = true;
    slab.next_open = size_class.open_slabs;
    size_class.open_slabs = &slab;
  }
}

StackPool::Stats StackPool::stats() const noexcept {
  Stats stats;
  for (std::uint32_t i = 0; i < kClasses; ++i) {
    const std::lock_guard lock(classes_[i].mu);
    stats.mapped_bytes += classes_[i].mapped_bytes;
    stats.stacks_total += classes_[i].carved;
    stats.stacks_free += classes_[i].free;
  }
  return stats;
}

bool StackCache::refill(StackPool& pool, std::error_code& error) noexcept {
  std::array<Stack*, kCapacity / 2> batch;
  const std::uint32_t count = pool.allocate_batch(batch.data(), kCapacity / 2, error);
  // The pool gives its hottest first, the cache takes from its end.
  for (std::uint32_t i = 0; i < count; ++i) stacks_[i] = batch[count - 1 - i];
  count_ = count;
  return count > 0;
}

void StackCache::put(Stack* stack, StackPool& pool) noexcept {
  if (stack->is_default_size == 0) [[unlikely]] {
    pool.release(stack);
    return;
  }
  if (count_ == kCapacity) [[unlikely]] {
    constexpr std::uint32_t kHalf = kCapacity / 2;  // the older half goes
    for (std::uint32_t i = 0; i < kHalf; ++i) stacks_[i]->next = i + 1 < kHalf ? stacks_[i + 1] : nullptr;
    pool.release_list(stacks_[0]);
    std::copy(stacks_.begin() + kHalf, stacks_.end(), stacks_.begin());
    count_ = kHalf;
  }
  mark_stack_free(*stack);
  stacks_[count_++] = stack;
}

void StackCache::drain(StackPool& pool) noexcept {
  for (std::uint32_t i = 0; i < count_; ++i) stacks_[i]->next = i + 1 < count_ ? stacks_[i + 1] : nullptr;
  if (count_ > 0) pool.release_list(stacks_[0]);
  count_ = 0;
}

}  // namespace creel::sched
