// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Memory per fiber at the sizes promised. Not under sanitizers, whose shadow memory would be measured instead.

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "creel/sched/preempt.h"
#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

// Resident bytes of this process.
std::size_t resident() {
  std::size_t total = 0;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> total >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

#if defined(NDEBUG) && !defined(CREEL_ASAN) && !defined(CREEL_TSAN)
constexpr bool kMeasures = true;
#else
constexpr bool kMeasures = false;
#endif

TEST(Scale, AMillionParkedFibersTakeAtMost6KiBEach) {
  if (!kMeasures) GTEST_SKIP() << "only without sanitizers, in a release build";
  const Watchdog watchdog;
  static constexpr std::size_t kFibers = 1'000'000;
  run_with(1, [] {
    creel::Semaphore gate(0);
    creel::WaitGroup group;
    std::size_t parked = 0;  // one processor
    const std::size_t before = resident();
    for (std::size_t i = 0; i < kFibers; ++i) {
      group.go([&] {
        ++parked;
        gate.acquire();
      });
      if (i % 128 == 0) creel::yield();
    }
    while (parked < kFibers) creel::yield();
    const std::size_t each = (resident() - before) / kFibers;
    std::printf("a million parked fibers: %zu bytes resident each\n", each);
    EXPECT_LE(each, 6u << 10);
    gate.release(static_cast<std::int64_t>(kFibers));
    group.wait();
  });
}

TEST(Scale, FourMillionQueuedFibersTakeAtMost1GiB) {
  if (!kMeasures) GTEST_SKIP() << "only without sanitizers, in a release build";
  const Watchdog watchdog;
  static constexpr std::size_t kFibers = 4'194'304;
  run_with(1, [] {
    std::size_t ran = 0;
    creel::WaitGroup group;
    const std::size_t before = resident();
    {
      const sched::NoPreempt whole;  // spawning is a safe point: none of them shall run before the last is queued
      for (std::size_t i = 0; i < kFibers; ++i) group.go([&ran] { ++ran; });
    }
    EXPECT_EQ(ran, 0u);
    const std::size_t growth = resident() - before;
    group.wait();
    EXPECT_EQ(ran, kFibers);
    std::printf("%zu queued fibers: %zu MiB resident\n", kFibers, growth >> 20);
    EXPECT_LE(growth, std::size_t{1} << 30);
  });
}

}  // namespace
}  // namespace creel::test
