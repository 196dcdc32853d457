// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/stack_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

#include "creel/sched/slab.h"

namespace creel::sched::test {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kSize = 256 << 10;

Stack* must_allocate(StackPool& pool, std::size_t size = 0) {
  std::error_code error;
  Stack* const stack = pool.allocate(size, error);
  EXPECT_NE(stack, nullptr) << error.message();
  return stack;
}

void touch(Stack& stack, std::size_t bytes) {
  std::memset(reinterpret_cast<void*>(stack.bounds.high - bytes), 0x5a, bytes);
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  std::size_t resident = 0;
  statm >> pages >> resident;
  return resident * 4096;
}

// As long as the monitor would: returns when the pool has nothing more to give back.
void scavenge_all(StackPool& pool) {
  std::int64_t now = 0;
  for (std::int64_t pause = 0; pause != StackPool::kNever; pause = pool.scavenge(now)) now += pause;
}

TEST(StackPool, StackIsUsableFromLowToHigh) {
  StackPool pool(kSize);
  Stack* const stack = must_allocate(pool);
  EXPECT_EQ(stack->bounds.low % 4096, 0u);
  EXPECT_EQ(stack->bounds.high % 16, 0u);
  EXPECT_GE(stack->bounds.high - stack->bounds.low, pool.default_size() - 2048);
  touch(*stack, stack->bounds.high - stack->bounds.low);
  pool.release(stack);
}

TEST(StackPool, RoundsSizesUpToPowersOfTwo) {
  StackPool pool(kSize);
  for (const std::size_t size : {std::size_t{1}, StackPool::kMinSize, std::size_t{100'000}, StackPool::kMaxSize}) {
    Stack* const stack = must_allocate(pool, size);
    EXPECT_GE(stack->bounds.high - stack->bounds.low + 2048, std::max(size, StackPool::kMinSize));
    touch(*stack, 64);
    pool.release(stack);
  }
}

TEST(StackPool, TooLargeIsAClearError) {
  StackPool pool(kSize);
  std::error_code error;
  EXPECT_EQ(pool.allocate(StackPool::kMaxSize + 1, error), nullptr);
  EXPECT_EQ(error, std::errc::invalid_argument);
  EXPECT_THAT(describe_stack_error(error, pool), HasSubstr("67108864 bytes"));
}

TEST(StackPool, ReusesLastInFirstOut) {
  StackPool pool(kSize);
  Stack* const a = must_allocate(pool);
  Stack* const b = must_allocate(pool);
  pool.release(a);
  pool.release(b);
  EXPECT_EQ(must_allocate(pool), b);
  EXPECT_EQ(must_allocate(pool), a);
  pool.release(a);
  pool.release(b);
}

TEST(StackPool, StacksAreDisjointAndFoundByAddress) {
  StackPool pool(kSize);
  std::set<std::pair<std::uintptr_t, std::uintptr_t>> ranges;
  std::vector<Stack*> stacks;
  for (int i = 0; i < 1000; ++i) {
    Stack* const stack = must_allocate(pool);
    stacks.push_back(stack);
    ASSERT_TRUE(ranges.emplace(stack->bounds.low, stack->bounds.high).second);
    const Slab* const slab = find_slab(stack->bounds.low);
    ASSERT_EQ(slab, stack->slab);
    ASSERT_EQ(slab->descriptor(stack->index), stack);
  }
  std::uintptr_t end = 0;
  for (const auto& [low, high] : ranges) {
    ASSERT_GE(low, end + 17 * 4096);  // the guard lies in between
    end = high;
  }
  for (Stack* stack : stacks) pool.release(stack);
  EXPECT_EQ(find_slab(reinterpret_cast<std::uintptr_t>(&pool)), nullptr);
}

TEST(StackPool, DeadPoolIsNotFound) {
  std::uintptr_t address = 0;
  {
    StackPool pool(kSize);
    address = must_allocate(pool)->bounds.low;
    EXPECT_NE(find_slab(address), nullptr);
  }
  EXPECT_EQ(find_slab(address), nullptr);
}

TEST(StackPool, BatchIsMixedFromFreeAndNew) {
  StackPool pool(kSize);
  Stack* const a = must_allocate(pool);
  pool.release(a);
  std::error_code error;
  Stack* batch[16];
  const std::uint32_t count = pool.allocate_batch(batch, 16, error);
  EXPECT_GE(count, 1u);
  EXPECT_EQ(batch[0], a);
  EXPECT_EQ(std::unordered_set<Stack*>(batch, batch + count).size(), count);
  for (std::uint32_t i = 0; i < count; ++i) pool.release(batch[i]);
  EXPECT_EQ(pool.stats().stacks_free, pool.stats().stacks_total);
}

TEST(StackPool, ReleasesListsOfMixedSizes) {
  StackPool pool(kSize);
  Stack* head = nullptr;
  for (int i = 0; i < 20; ++i) {
    Stack* const stack = must_allocate(pool, i % 3 == 0 ? 0 : StackPool::kMinSize << (i % 3));
    stack->next = head;
    head = stack;
  }
  EXPECT_EQ(pool.stats().stacks_free, 0u);
  pool.release_list(head);
  EXPECT_EQ(pool.stats().stacks_free, 20u);
  EXPECT_EQ(pool.stats().stacks_total, 20u);
}

class StackPoolGuard : public ::testing::TestWithParam<GuardKind> {};

TEST_P(StackPoolGuard, WriteBelowTheStackFaults) {
  StackPool pool(kSize, GetParam());
  std::error_code error;
  Stack* const stack = pool.allocate(0, error);
  if (stack == nullptr && GetParam() == GuardKind::kMarker && error == std::errc::invalid_argument) {
    GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL";
  }
  ASSERT_NE(stack, nullptr) << error.message();
  *reinterpret_cast<volatile char*>(stack->bounds.low) = 1;
  EXPECT_DEATH(*reinterpret_cast<volatile char*>(stack->bounds.low - 1) = 1, "");
  EXPECT_DEATH(*reinterpret_cast<volatile char*>(stack->bounds.low - 17 * 4096) = 1, "");
  pool.release(stack);
}

TEST_P(StackPoolGuard, GuardSurvivesThePeak) {
  StackPool pool(kSize, GetParam());
  std::error_code error;
  std::vector<Stack*> stacks;
  for (int i = 0; i < 5400; ++i) {
    Stack* const stack = pool.allocate(0, error);
    if (stack == nullptr && GetParam() == GuardKind::kMarker && error == std::errc::invalid_argument) {
      GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL";
    }
    ASSERT_NE(stack, nullptr) << describe_stack_error(error, pool);
    stacks.push_back(stack);
  }
  for (Stack* stack : stacks) pool.release(stack);
  scavenge_all(pool);
  for (Stack*& stack : stacks) stack = must_allocate(pool);  // some from cold slabs, some from slabs mapped anew
  for (std::size_t i = 0; i < stacks.size(); i += 1799) {
    touch(*stacks[i], 1024);
    EXPECT_DEATH(*reinterpret_cast<volatile char*>(stacks[i]->bounds.low - 1) = 1, "") << i;
  }
  for (Stack* stack : stacks) pool.release(stack);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StackPoolGuard, ::testing::Values(GuardKind::kMarker, GuardKind::kProtect),
                         [](const auto& parameter) {
                           return std::string(parameter.param == GuardKind::kMarker ? "Marker" : "Protect");
                         });

TEST(StackPool, MemoryFallsAfterAPeak) {
  StackPool pool(kSize);
  std::vector<Stack*> stacks;
  constexpr std::size_t kStacks = 10'000;
  constexpr std::size_t kTouched = 64 << 10;
  for (std::size_t i = 0; i < kStacks; ++i) stacks.push_back(must_allocate(pool));
  const std::size_t before = resident_bytes();
  for (Stack* stack : stacks) touch(*stack, kTouched);
  const std::size_t peak = resident_bytes();
  ASSERT_GE(peak - before, kStacks * (kTouched - 8192));
  for (Stack* stack : stacks) pool.release(stack);
  scavenge_all(pool);
#if !defined(CREEL_TSAN)  // shadow memory stays
  // At most 512 fresh stacks as they were, and 4096 trimmed to 16 KiB.
  EXPECT_LE(resident_bytes(), before + 512 * kTouched + 4096 * StackPool::kKeptBytes + (8 << 20));
#endif
  EXPECT_LE(pool.stats().stacks_free, pool.stats().stacks_total);
}

int given_back = 0;  // calls that gave memory back

TEST(StackPool, GivesBackOnlyWhatWasFreeForASecond) {
  static const StackSystem system = [] {
    StackSystem s = StackSystem::real();
    s.advise = [](void* address, std::size_t bytes, int advice) noexcept {
      if (advice == MADV_DONTNEED) ++given_back;
      return StackSystem::real().advise(address, bytes, advice);
    };
    return s;
  }();
  given_back = 0;
  StackPool pool(kSize, GuardKind::kAuto, system);
  std::vector<Stack*> stacks;
  for (int i = 0; i < 5400; ++i) stacks.push_back(must_allocate(pool));
  EXPECT_EQ(pool.scavenge(1'000'000'000), StackPool::kNever);
  for (Stack* stack : stacks) pool.release(stack);
  EXPECT_EQ(given_back, 0);  // a fiber's end pays for no system call
  std::int64_t now = 60'000'000'000;  // however long nobody called
  for (int call = 0; call < 3; ++call, now += 250'000'000) {
    EXPECT_EQ(pool.scavenge(now), 250'000'000);
    EXPECT_EQ(pool.scavenge(now + 1), 249'999'999);  // too early
  }
  EXPECT_EQ(given_back, 0);
  std::int64_t pause = 0;
  for (int call = 0; pause != StackPool::kNever; ++call) {
    ASSERT_LT(call, 100);
    now += pause;
    const int before = given_back;
    pause = pool.scavenge(now);
    EXPECT_LE(given_back - before, 8 * 256);  // a bounded amount per call
  }
  EXPECT_GE(given_back, 4096);  // trimmed one by one, the others in runs of neighbours
  for (Stack*& stack : stacks) stack = must_allocate(pool);
  for (Stack* stack : stacks) pool.release(stack);
}

TEST(StackPool, SteadyLoadKeepsItsMemory) {
  StackPool pool(kSize);
  std::vector<Stack*> stacks;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) stacks.push_back(must_allocate(pool));
    if (round > 0) {
      for (Stack* stack : stacks) {
        EXPECT_EQ(*reinterpret_cast<char*>(stack->bounds.high - (100 << 10)), 0x5a);  // never given back
      }
    }
    for (Stack* stack : stacks) {
      touch(*stack, 128 << 10);
      pool.release(stack);
    }
    stacks.clear();
    scavenge_all(pool);
  }
}

#if !defined(CREEL_ASAN) && !defined(CREEL_TSAN)
TEST(StackPool, HundredThousandTouchedStacksCostAPageEach) {
  StackPool pool(kSize);
  std::vector<Stack*> stacks;
  constexpr std::size_t kStacks = 100'000;
  stacks.reserve(kStacks);
  const std::size_t before = resident_bytes();
  for (std::size_t i = 0; i < kStacks; ++i) {
    stacks.push_back(must_allocate(pool));
    touch(*stacks.back(), 2048);  // descriptor, entry and a park fit below the page's end whatever the colour
  }
  if (pool.guard_kind() != GuardKind::kMarker) GTEST_SKIP() << "needs MADV_GUARD_INSTALL";
  EXPECT_LE(resident_bytes() - before, kStacks * 4300);
  for (Stack* stack : stacks) pool.release(stack);
}
#endif

// Failures of the kernel, injected.

int fail_at = 0;  // calls that still succeed

TEST(StackPoolErrors, NoAddressSpace) {
  static const StackSystem system = [] {
    StackSystem s = StackSystem::real();
    s.map = [](void*, std::size_t, int) noexcept -> void* {
      errno = ENOMEM;
      return MAP_FAILED;
    };
    return s;
  }();
  StackPool pool(kSize, GuardKind::kAuto, system);
  std::error_code error;
  EXPECT_EQ(pool.allocate(0, error), nullptr);
  EXPECT_EQ(error, std::errc::not_enough_memory);
  EXPECT_THAT(describe_stack_error(error, pool), HasSubstr("cannot create a fiber stack"));
  EXPECT_THAT(describe_stack_error(error, pool), HasSubstr("CREEL_STACK_SIZE"));
}

TEST(StackPoolErrors, SmallerSlabsFitWhereLargeOnesDoNot) {
  static const StackSystem system = [] {
    StackSystem s = StackSystem::real();
    s.map = [](void* address, std::size_t bytes, int flags) noexcept -> void* {
      if (bytes > (4 << 20)) {
        errno = ENOMEM;
        return MAP_FAILED;
      }
      return StackSystem::real().map(address, bytes, flags);
    };
    return s;
  }();
  StackPool pool(kSize, GuardKind::kAuto, system);
  std::vector<Stack*> stacks;
  for (int i = 0; i < 50; ++i) {
    stacks.push_back(must_allocate(pool));
    touch(*stacks.back(), 512);
  }
  for (Stack* stack : stacks) pool.release(stack);
}

// The kernel may unmap what was there before it fails, and somebody else may get the range.
std::vector<std::pair<std::uintptr_t, std::size_t>> others_ranges;

TEST(StackPoolErrors, RangeLostInARemapIsNotTouchedAgain) {
  static const StackSystem system = [] {
    StackSystem s = StackSystem::real();
    s.map = [](void* address, std::size_t bytes, int flags) noexcept -> void* {
      if ((flags & MAP_FIXED) == 0) return StackSystem::real().map(address, bytes, flags);
      void* const others = StackSystem::real().map(address, bytes, flags);
      static_cast<volatile char*>(others)[bytes / 2] = 42;
      others_ranges.emplace_back(reinterpret_cast<std::uintptr_t>(address), bytes);
      errno = ENOMEM;
      return MAP_FAILED;
    };
    return s;
  }();
  others_ranges.clear();
  {
    StackPool pool(kSize, GuardKind::kAuto, system);
    std::vector<Stack*> stacks;
    constexpr std::size_t kStacks = 8192;
    for (std::size_t i = 0; i < kStacks; ++i) stacks.push_back(must_allocate(pool));
    for (Stack* stack : stacks) pool.release(stack);
    const std::size_t mapped = pool.stats().mapped_bytes;
    scavenge_all(pool);
    ASSERT_FALSE(others_ranges.empty()) << "no slab was wholly given back";
    EXPECT_LT(pool.stats().mapped_bytes, mapped);
    for (Stack*& stack : stacks) stack = must_allocate(pool);
    for (Stack* stack : stacks) {
      for (const auto& [base, bytes] : others_ranges) {
        EXPECT_FALSE(stack->bounds.low >= base && stack->bounds.low < base + bytes);
      }
      touch(*stack, 512);
    }
    for (Stack* stack : stacks) pool.release(stack);
    scavenge_all(pool);
  }
  for (const auto& [base, bytes] : others_ranges) {
    EXPECT_EQ(reinterpret_cast<volatile char*>(base)[bytes / 2], 42);
    ASSERT_EQ(munmap(reinterpret_cast<void*>(base), bytes), 0);
  }
}

TEST(StackPoolErrors, OldKernelFallsBackToProtection) {
  static const StackSystem system = [] {
    StackSystem s = StackSystem::real();
    s.advise = [](void* address, std::size_t bytes, int advice) noexcept {
      if (advice == 102) {
        errno = EINVAL;
        return -1;
      }
      return StackSystem::real().advise(address, bytes, advice);
    };
    return s;
  }();
  StackPool pool(kSize, GuardKind::kAuto, system);
  Stack* const stack = must_allocate(pool);
  EXPECT_EQ(pool.guard_kind(), GuardKind::kProtect);
  EXPECT_DEATH(*reinterpret_cast<volatile char*>(stack->bounds.low - 1) = 1, "");
  pool.release(stack);
}

TEST(StackPoolErrors, KernelWithoutVectorsOfRanges) {
  static int vectors = 0;
  static const StackSystem system = [] {
    StackSystem s = StackSystem::real();
    s.advise_many = [](const iovec*, std::size_t, int) noexcept {
      ++vectors;
      errno = EPERM;
      return -1;
    };
    return s;
  }();
  StackPool pool(kSize, GuardKind::kAuto, system);
  std::vector<Stack*> stacks;
  std::error_code error;
  while (stacks.size() < 1000) {
    Stack* batch[32];
    const std::uint32_t count = pool.allocate_batch(batch, 32, error);
    ASSERT_GT(count, 0u) << error.message();
    stacks.insert(stacks.end(), batch, batch + count);
  }
  EXPECT_LE(vectors, 1);  // not asked again
  EXPECT_EQ(std::unordered_set<Stack*>(stacks.begin(), stacks.end()).size(), stacks.size());
  for (const std::size_t i : {std::size_t{3}, std::size_t{500}, stacks.size() - 1}) {
    touch(*stacks[i], 1024);
    EXPECT_DEATH(*reinterpret_cast<volatile char*>(stacks[i]->bounds.low - 1) = 1, "") << i;
  }
  for (Stack* stack : stacks) pool.release(stack);
}

TEST(StackPoolErrors, GuardFailureLosesNoStack) {
  static const StackSystem system = [] {
    StackSystem s = StackSystem::real();
    s.protect_none = [](void* address, std::size_t bytes) noexcept {
      if (fail_at-- > 0) return StackSystem::real().protect_none(address, bytes);
      errno = ENOMEM;
      return -1;
    };
    return s;
  }();
  fail_at = 3;
  StackPool pool(kSize, GuardKind::kProtect, system);
  std::error_code error;
  Stack* batch[8];
  EXPECT_EQ(pool.allocate_batch(batch, 8, error), 3u);  // what there is, without an error
  EXPECT_FALSE(error);
  EXPECT_EQ(pool.allocate(0, error), nullptr);
  EXPECT_EQ(error, std::errc::not_enough_memory);
  EXPECT_EQ(pool.stats().stacks_total, 3u);
  fail_at = 1;
  Stack* const another = must_allocate(pool);
  EXPECT_EQ(pool.stats().stacks_total, 4u);
  pool.release(another);
  for (int i = 0; i < 3; ++i) pool.release(batch[i]);
}

#if !defined(CREEL_TSAN)
TEST(StackPoolErrors, MapCountLimitIsNamed) {
#if defined(CREEL_ASAN)
  GTEST_SKIP() << "AddressSanitizer itself runs out of mappings before the pool does";
#endif
  std::ifstream file("/proc/sys/vm/max_map_count");
  std::size_t limit = 0;
  file >> limit;
  if (limit == 0 || limit > 100'000) GTEST_SKIP() << "vm.max_map_count is " << limit << ", too high to reach in a test";
  StackPool pool(StackPool::kMinSize, GuardKind::kProtect);
  std::error_code error;
  std::vector<Stack*> stacks;
  while (Stack* const stack = pool.allocate(0, error)) {
    ASSERT_LT(stacks.size(), limit);
    stacks.push_back(stack);
  }
  const std::string text = describe_stack_error(error, pool);
  for (Stack* stack : stacks) pool.release(stack);
  EXPECT_EQ(error, std::errc::not_enough_memory);
  EXPECT_THAT(text, HasSubstr("vm.max_map_count is " + std::to_string(limit)));
  EXPECT_THAT(text, HasSubstr("sysctl -w vm.max_map_count="));
}
#endif

TEST(StackCache, IsLastInFirstOutAndBounded) {
  StackPool pool(kSize);
  StackCache cache;
  std::error_code error;
  std::vector<Stack*> stacks;
  for (int i = 0; i < 200; ++i) {
    stacks.push_back(cache.get(pool, error));
    ASSERT_NE(stacks.back(), nullptr);
  }
  EXPECT_EQ(std::unordered_set<Stack*>(stacks.begin(), stacks.end()).size(), stacks.size());
  for (Stack* stack : stacks) {
    cache.put(stack, pool);
    ASSERT_LE(cache.size(), StackCache::kCapacity);
  }
  for (int i = 0; i < 30; ++i) EXPECT_EQ(cache.get(pool, error), stacks[stacks.size() - 1 - i]);
  for (int i = 0; i < 30; ++i) cache.put(stacks[stacks.size() - 30 + i], pool);
  cache.drain(pool);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(pool.stats().stacks_free, pool.stats().stacks_total);
}

TEST(StackCache, RestocksOnlyWhenEmpty) {
  StackPool pool(kSize);
  StackCache cache;
  cache.restock(pool);
  const std::uint32_t count = cache.size();
  EXPECT_GT(count, 0u);
  cache.restock(pool);
  EXPECT_EQ(cache.size(), count);
  cache.drain(pool);
}

TEST(StackCache, OtherSizesGoToThePool) {
  StackPool pool(kSize);
  StackCache cache;
  cache.put(must_allocate(pool, 4 * pool.default_size()), pool);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(pool.stats().stacks_free, 1u);
}

TEST(StackCache, ThreadsShareOnePool) {
  StackPool pool(kSize);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool] {
      StackCache cache;
      std::error_code error;
      std::vector<Stack*> held;
      std::uint32_t random = 1;
      for (int i = 0; i < 5000; ++i) {
        random = random * 1664525 + 1013904223;
        if (held.size() < 300 && (held.empty() || (random >> 16) % 5 < 3)) {
          Stack* const stack = cache.get(pool, error);
          ASSERT_NE(stack, nullptr);
          ASSERT_EQ(stack->owner, 0u);  // nobody else has it
          stack->owner = 1;
          held.push_back(stack);
        } else {
          cache.put(held.back(), pool);
          held.pop_back();
        }
      }
      for (Stack* stack : held) cache.put(stack, pool);
      cache.drain(pool);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.stats().stacks_free, pool.stats().stacks_total);
}

}  // namespace
}  // namespace creel::sched::test
