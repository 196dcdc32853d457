// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// FdMutex. The cases of Go's internal/poll/fd_mutex_test.go are named next to each test.

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "creel/net/fd_mutex.h"
#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::detail::Entry;
using net::detail::FdMutex;
using net::detail::Side;

class FdMutexTest : public NetTest {};

// Go: TestMutexLock.
TEST_P(FdMutexTest, LocksAndReferences) {
  run([] {
    FdMutex mutex;
    EXPECT_TRUE(mutex.incref());
    EXPECT_FALSE(mutex.decref());
    for (const Side side : {Side::kRead, Side::kWrite}) {
      EXPECT_EQ(mutex.lock(side), Entry::kLocked);
      EXPECT_FALSE(mutex.unlock(side));
    }
  });
}

// Go: TestMutexClose.
TEST_P(FdMutexTest, NothingAfterClose) {
  run([] {
    FdMutex mutex;
    EXPECT_TRUE(mutex.close());
    EXPECT_FALSE(mutex.incref());
    EXPECT_EQ(mutex.lock(Side::kRead), Entry::kRefused);
    EXPECT_EQ(mutex.lock(Side::kWrite), Entry::kRefused);
    EXPECT_FALSE(mutex.close());
    EXPECT_TRUE(mutex.decref());
  });
}

// Go: TestMutexCloseUnblock.
TEST_P(FdMutexTest, CloseWakesThoseWhoWait) {
  run([] {
    FdMutex mutex;
    ASSERT_EQ(mutex.lock(Side::kRead), Entry::kLocked);
    WaitGroup wg;
    for (int i = 0; i < 4; ++i) {
      go_until_parked(wg, [&] { EXPECT_EQ(mutex.lock(Side::kRead), Entry::kRefused); });
    }
    EXPECT_TRUE(mutex.close());
    wg.wait();
    EXPECT_FALSE(mutex.decref());
    EXPECT_TRUE(mutex.unlock(Side::kRead));
  });
}

// Exactly one of all who leave after the close is told that it is the last.
TEST_P(FdMutexTest, OneIsTheLastToLeave) {
  run([] {
    for (int round = 0; round < 50; ++round) {
      FdMutex mutex;
      std::atomic<int> last{0};
      ASSERT_EQ(mutex.lock(Side::kWrite), Entry::kLocked);
      WaitGroup wg;
      for (int i = 0; i < 3; ++i) {
        wg.go([&] {
          const Entry entry = mutex.lock(Side::kWrite);
          last += entry == Entry::kRefusedLast || (entry == Entry::kLocked && mutex.unlock(Side::kWrite)) ? 1 : 0;
        });
      }
      creel::yield();
      last += mutex.unlock(Side::kWrite) ? 1 : 0;
      EXPECT_TRUE(mutex.close());
      last += mutex.decref() ? 1 : 0;
      wg.wait();
      EXPECT_EQ(last.load(), 1);
    }
  });
}

// Go: TestMutexStress.
TEST_P(FdMutexTest, Stress) {
  run([] {
    FdMutex mutex;
    std::array<int, 2> inside{};
    std::array<std::uint64_t, 2> passed{};
    WaitGroup wg;
    for (int i = 0; i < 8; ++i) {
      wg.go([&, i] {
        std::minstd_rand random(static_cast<unsigned>(i + 1));
        for (int k = 0; k < 500; ++k) {
          const unsigned choice = random() % 3;
          if (choice == 2) {
            EXPECT_TRUE(mutex.incref());
            if (random() % 8 == 0) creel::yield();
            EXPECT_FALSE(mutex.decref());
            continue;
          }
          const auto side = static_cast<Side>(choice);
          EXPECT_EQ(mutex.lock(side), Entry::kLocked);
          EXPECT_EQ(++inside[choice], 1);
          ++passed[choice];
          if (random() % 8 == 0) creel::yield();
          --inside[choice];
          EXPECT_FALSE(mutex.unlock(side));
        }
      });
    }
    wg.wait();
    EXPECT_TRUE(mutex.close());
    EXPECT_TRUE(mutex.decref());
    EXPECT_GT(passed[0] + passed[1], 0u);
  });
}

INSTANTIATE_RUNTIME_TEST(FdMutexTest);

class FdMutexDeathTest : public DeathTest {};
// Go: TestMutexPanic.
TEST_F(FdMutexDeathTest, LeavingUnenteredEndsTheProcess) {
  EXPECT_DEATH(
      {
        FdMutex mutex;
        static_cast<void>(mutex.decref());
      },
      "left more often than entered");
  EXPECT_DEATH(
      {
        FdMutex mutex;
        static_cast<void>(mutex.unlock(Side::kRead));
      },
      "does not hold it");
}

}  // namespace
}  // namespace creel::test
