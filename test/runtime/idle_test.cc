// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A processor without work costs no CPU time: no worker waits by turning round. Judged by CPU time, which a busy machine
// can only lower, with bounds that a single turning worker of an otherwise idle machine breaks many times over.

#include <time.h>

#include <cstdint>

#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

std::chrono::nanoseconds cpu_time(clockid_t clock) {
  timespec time{};
  EXPECT_EQ(::clock_gettime(clock, &time), 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

constexpr auto kWait = 500ms;
constexpr auto kBound = 100ms;  // of CPU time; some 1 ms is right, a worker that turns round takes all of kWait

// CPU time of the whole process while `wait` runs.
template <typename F>
std::chrono::nanoseconds cost_of(F wait) {
  creel::sleep_for(50ms);  // what was begun before has calmed down
  const auto before = cpu_time(CLOCK_PROCESS_CPUTIME_ID);
  wait();
  return cpu_time(CLOCK_PROCESS_CPUTIME_ID) - before;
}

// Leaves workers behind that had work.
void warm_up() {
  creel::WaitGroup group;
  for (int i = 0; i < 100; ++i) {
    group.go([] {
      for (int k = 0; k < 10; ++k) creel::yield();
    });
  }
  group.wait();
}

TEST(Idle, WaitingForATimerCostsNothing) {
  const Watchdog watchdog;
  run_with(4, [] {
    warm_up();
    EXPECT_LT(cost_of([] { creel::sleep_for(kWait); }), kBound);
  });
}

TEST(Idle, WaitingForABlockedThreadCostsNothing) {
  const Watchdog watchdog;
  run_with(4, [] {
    warm_up();
    EXPECT_LT(cost_of([] { creel::blocking([] { std::this_thread::sleep_for(kWait); }); }), kBound);
  });
}

TEST(Idle, ManyParkedFibersCostNothing) {
  const Watchdog watchdog;
  run_with(4, [] {
    creel::Channel<void> end;
    creel::WaitGroup group;
    for (int i = 0; i < 1000; ++i) group.go([&end] { end.recv(); });
    warm_up();
    EXPECT_LT(cost_of([] { creel::sleep_for(kWait); }), kBound);
    end.close();
    group.wait();
  });
}

// One fiber computes, without a safe point so that it keeps its thread; three processors have nothing to do.
TEST(Idle, WhileOneFiberRunsTheOtherProcessorsCostNothing) {
  static constexpr auto kRun = 80ms;  // of CPU time; shorter than what the runtime would report as stuck
  const Watchdog watchdog;
  run_with(4, [] {
    warm_up();
    std::chrono::nanoseconds own{0};
    const auto all = cost_of([&own] {
      const auto begin = cpu_time(CLOCK_THREAD_CPUTIME_ID);
      while (own < kRun) own = cpu_time(CLOCK_THREAD_CPUTIME_ID) - begin;
    });
    EXPECT_LT(all - own, kRun / 2);
  });
}

}  // namespace
}  // namespace creel::test
