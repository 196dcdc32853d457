// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "creel/sched/base/check.h"
#include "creel/sched/base/log.h"
#include "creel/sched/base/spinlock.h"
#include "creel/sched/platform/futex.h"

namespace creel::sched {
namespace {

using namespace std::chrono_literals;

TEST(SpinLock, ExcludesThreads) {
  SpinLock lock;
  std::int64_t count = 0;  // plain: a race for TSan, and a wrong sum, if the lock does not exclude
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100'000; ++i) {
        if (i % 8 == 0 && lock.try_lock()) {
          ++count;
          lock.unlock();
        } else {
          std::lock_guard guard(lock);
          ++count;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 400'000);
}

TEST(SpinLock, TryLockFailsWhileHeldAndUnlockMayComeFromAnotherThread) {
  SpinLock lock;
  lock.lock();
  EXPECT_FALSE(lock.try_lock());
  std::thread([&lock] { lock.unlock(); }).join();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Parker, RemembersOneWakeUp) {
  Parker parker;
  parker.wake();
  parker.wake();
  parker.park();  // returns at once
  EXPECT_FALSE(parker.park_for(1ms));
}

TEST(Parker, HandsOverInLockStep) {
  Parker ping;
  Parker pong;
  std::uint64_t turn = 0;  // plain: ordered by the hand-over alone
  constexpr std::uint64_t kTurns = 20'000;
  std::thread other([&] {
    for (std::uint64_t i = 0; i < kTurns; ++i) {
      ping.park();
      EXPECT_EQ(turn % 2, 1u);
      ++turn;
      pong.wake();
    }
  });
  for (std::uint64_t i = 0; i < kTurns; ++i) {
    ++turn;
    ping.wake();
    pong.park();
    EXPECT_EQ(turn % 2, 0u);
  }
  other.join();
  EXPECT_EQ(turn, 2 * kTurns);
}

TEST(Parker, ATimeoutNeverLosesAWakeUp) {
  Parker parker;
  Parker taken;
  constexpr int kRounds = 2'000;
  std::thread waker([&] {
    for (int i = 0; i < kRounds; ++i) {
      parker.wake();
      taken.park();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    while (!parker.park_for(i % 2 == 0 ? 1us : 50us)) {
    }
    taken.wake();
  }
  waker.join();
}

TEST(Futex, ReturnsAtOnceWhenTheWordDiffersAndAfterTheTimeoutWhenNot) {
  std::atomic<std::uint32_t> word{1};
  futex_wait(word, 0);  // would hang
  const auto before = std::chrono::steady_clock::now();
  // Spurious returns are allowed, so wait for the whole time.
  while (std::chrono::steady_clock::now() - before < 5ms) futex_wait(word, 1, 5ms);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 5ms);
}

TEST(Log, AcceptsItsLevelNamesOnly) {
  EXPECT_FALSE(set_log_level("verbose"));
  EXPECT_FALSE(set_log_level(""));
  const std::string names = log_level_names();
  for (const char* name : {"trace", "debug", "info", "warning", "error", "critical", "off"}) {
    EXPECT_NE(names.find(name), std::string::npos) << name;
    EXPECT_TRUE(set_log_level(name)) << name;
  }
  set_log_level("warning");
}

TEST(CheckDeathTest, NamesTheInvariantAndAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  check(true, "holds");
  EXPECT_EXIT(check(false, "the moon is square"), testing::KilledBySignal(SIGABRT), "creel: the moon is square");
  EXPECT_EXIT(misuse("you did it"), testing::KilledBySignal(SIGABRT), "creel: fatal error: you did it");
  EXPECT_EXIT(misuse_outside_fiber("creel::nap()", false), testing::KilledBySignal(SIGABRT),
              "creel::nap\\(\\) was called outside a fiber");
}

}  // namespace
}  // namespace creel::sched
