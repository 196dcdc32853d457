// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/stack_pool.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <mutex>
#include <new>
#include <utility>

#include "creel/sched/slab.h"
#include "creel/sched/stack_size_class.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(low, high) 0
#endif
#if defined(CREEL_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

namespace creel::sched {
namespace {

constexpr int kMadvGuardInstall = 102;  // MADV_GUARD_INSTALL, Linux 6.13; not in older headers
#if !defined(MADV_POPULATE_WRITE)
constexpr int MADV_POPULATE_WRITE = 23;  // Linux 5.14
#endif
constexpr std::size_t kSlabBytes = std::size_t{64} << 20;
constexpr std::size_t kGuardPages = 17;
// New stacks at once: a small program should not touch a page for stacks it never uses, a large one saves system calls.
constexpr std::uint32_t kSmallBatch = 8;
constexpr std::uint32_t kMaxBatch = StackCache::kCapacity / 2;

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

}  // namespace

const StackSystem& StackSystem::real() noexcept {
  static constexpr StackSystem system = {
      [](void* address, std::size_t bytes, int flags) noexcept {
        return mmap(address, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
      },
      [](void* address, std::size_t bytes) noexcept { return mprotect(address, bytes, PROT_NONE); },
      [](void* address, std::size_t bytes, int advice) noexcept { return madvise(address, bytes, advice); },
      [](const iovec* ranges, std::size_t count, int advice) noexcept {
        constexpr int kPidfdSelf = -10001;  // PIDFD_SELF_THREAD_GROUP, Linux 6.14; not in older headers
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < count; ++i) bytes += ranges[i].iov_len;
        return syscall(SYS_process_madvise, kPidfdSelf, ranges, count, advice, 0) == static_cast<long>(bytes) ? 0 : -1;
      },
  };
  return system;
}

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
  std::array<Place, kMaxBatch> places;
  std::uint32_t made = 0;
  {
    const std::lock_guard lock(size_class.mu);
    std::uint32_t taken = 0;
    while (taken < count) {
      if (size_class.hot == nullptr) {
        if (size_class.chunks.empty()) break;
        size_class.hot = size_class.chunks.back().head;
        size_class.hot_count = kStackChunk;
        size_class.chunks.pop_back();
      }
      Stack* const stack = std::exchange(size_class.hot, size_class.hot->next);
      --size_class.hot_count;
      --size_class.free;
      mark_stack_used(*stack);
      stack->next = nullptr;
      out[taken++] = stack;
    }
    if (taken == 0) made = take_new(size_class, places.data(), std::min(count, kMaxBatch), error);
    if (taken > 0 || made == 0) {
      if (taken > 0) error.clear();
      return taken;
    }
  }
  // The pages are touched without the lock: that is most of a new stack's price.
  if (made > kSmallBatch) touch_tops(places.data(), made);
  for (std::uint32_t i = 0; i < made; ++i) {
    out[i] = make_descriptor(size_class, places[i]);
    mark_stack_used(*out[i]);
  }
  error.clear();
  return made;
}

// Stacks without memory yet. Requires: mu held.
std::uint32_t StackPool::take_new(SizeClass& size_class, Place* out, std::uint32_t count,
                                  std::error_code& error) noexcept {
  const auto used = static_cast<std::uint32_t>(std::min<std::size_t>(size_class.carved - size_class.free, 1 << 20));
  const std::uint32_t wanted = std::min(count, std::max(kSmallBatch, used / 16));
  std::uint32_t taken = 0;
  while (taken < wanted && take_cold(size_class, out[taken])) ++taken;
  return taken > 0 ? taken : carve(size_class, out, wanted, error);
}

bool StackPool::take_cold(SizeClass& size_class, Place& out) noexcept {
  while (Slab* const slab = size_class.cold_slabs) {
    if (slab->cold == 0) {
      size_class.cold_slabs = slab->next_cold;
      slab->in_cold_list = false;
      continue;
    }
    for (std::uint32_t word = 0; word < slab->cold_bits.size(); ++word) {
      if (slab->cold_bits[word] == 0) continue;
      out = {slab, word * 64 + static_cast<std::uint32_t>(std::countr_zero(slab->cold_bits[word]))};
      slab->cold_bits[word] &= slab->cold_bits[word] - 1;
      --slab->cold;
      --size_class.free;
      return true;
    }
  }
  return false;
}

// Cuts up to `count` neighbours; 0 and `error` if none can be had.
std::uint32_t StackPool::carve(SizeClass& size_class, Place* out, std::uint32_t count,
                               std::error_code& error) noexcept {
  while (size_class.open_slabs != nullptr &&
         size_class.open_slabs->carved.load(std::memory_order_relaxed) == size_class.open_slabs->capacity) {
    Slab* const full = size_class.open_slabs;
    size_class.open_slabs = full->next_open;
    full->in_open_list = false;
  }
  if (size_class.open_slabs == nullptr && !add_slab(size_class, error)) return 0;
  Slab& slab = *size_class.open_slabs;
  const std::uint32_t first = slab.carved.load(std::memory_order_relaxed);
  count = std::min(count, slab.capacity - first);
  const std::size_t chunks = (size_class.carved + count) / kStackChunk + 1;
  if (size_class.chunks.capacity() < chunks) {
    try {
      size_class.chunks.reserve(2 * chunks);
    } catch (const std::bad_alloc&) {
      error = std::make_error_code(std::errc::not_enough_memory);
      return 0;
    }
  }
  count = install_guards(slab, first, count, error);
  slab.carved.store(first + count, std::memory_order_relaxed);
  size_class.carved += count;
  for (std::uint32_t i = 0; i < count; ++i) out[i] = {&slab, first + i};
  return count;
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

// Installs those of `count` neighbours, up to the first that fails; returns how many.
std::uint32_t StackPool::install_guards(const Slab& slab, std::uint32_t first, std::uint32_t count,
                                        std::error_code& error) noexcept {
  if (count > 1 && guard_.load(std::memory_order_relaxed) == GuardKind::kMarker &&
      advises_many_.load(std::memory_order_relaxed)) {
    std::array<iovec, kMaxBatch> ranges;
    for (std::uint32_t i = 0; i < count; ++i) {
      ranges[i] = {reinterpret_cast<void*>(slab.start(first + i)), kGuardPages * page_size()};
    }
    if (system_.advise_many(ranges.data(), count, kMadvGuardInstall) == 0) return count;
    advises_many_.store(false, std::memory_order_relaxed);
  }
  std::uint32_t done = 0;
  while (done < count && install_guard(reinterpret_cast<void*>(slab.start(first + done)), error)) ++done;
  return done;
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

// Has the kernel supply the top pages of new stacks in one call: cheaper than a fault each. Without effect where it fails.
void StackPool::touch_tops(const Place* places, std::uint32_t count) noexcept {
  if (!advises_many_.load(std::memory_order_relaxed)) return;
  std::array<iovec, kMaxBatch> ranges;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uintptr_t end = places[i].slab->start(places[i].index + 1);
    ranges[i] = {reinterpret_cast<void*>(end - page_size()), page_size()};
  }
  if (system_.advise_many(ranges.data(), count, MADV_POPULATE_WRITE) != 0) {
    advises_many_.store(false, std::memory_order_relaxed);
  }
}

Stack* StackPool::make_descriptor(SizeClass& size_class, Place place) noexcept {
  Slab& slab = *place.slab;
  Stack* const stack = new (slab.descriptor(place.index)) Stack;
  stack->bounds.low = slab.start(place.index) + size_class.guard;
  stack->bounds.high = reinterpret_cast<std::uintptr_t>(stack);
  stack->slab = &slab;
  stack->size_class = size_class.index;
  stack->is_default_size = size_class.size == default_size_ ? 1 : 0;
  stack->index = place.index;
  stack->valgrind_id = static_cast<std::uint32_t>(VALGRIND_STACK_REGISTER(stack->bounds.low, stack->bounds.high));
  return stack;
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
