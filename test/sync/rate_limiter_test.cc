// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// RateLimiter and Group.

#include "creel/sync/rate_limiter.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <string>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

using std::chrono::steady_clock;

class RateLimiterTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(RateLimiterTest);
class GroupTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(GroupTest);

TEST_P(RateLimiterTest, TheBurstIsThereAtOnce) {
  run([] {
    RateLimiter limiter(0.001, 3);
    EXPECT_TRUE(limiter.allow(0));
    EXPECT_TRUE(limiter.allow());
    EXPECT_TRUE(limiter.allow(2));
    EXPECT_FALSE(limiter.allow());
    EXPECT_FALSE(limiter.wait_for(10ms));  // said at once: it would take 17 minutes
    EXPECT_LT(limiter.tokens(), 1.0);
    limiter.set_rate(RateLimiter::kUnlimited);
    EXPECT_TRUE(limiter.allow(1000));
    limiter.wait(1000);
    RateLimiter closed(0, 0);
    EXPECT_FALSE(closed.allow());
    EXPECT_TRUE(closed.allow(0));
  });
}

TEST_P(RateLimiterTest, WaitsForItsTurn) {
  run([] {
    RateLimiter limiter(1000, 2);
    const auto begin = steady_clock::now();
    for (int i = 0; i < 6; ++i) limiter.wait();
    EXPECT_GE(steady_clock::now(), begin + 4ms);  // 6 less the burst of 2
    // Fibers that wait at once are served at the same rate.
    const auto again = steady_clock::now();
    const double there = limiter.tokens();
    WaitGroup wg;
    for (int i = 0; i < 8; ++i) wg.go([&] { limiter.wait(); });
    wg.wait();
    EXPECT_LT(there, 3.0);
    EXPECT_GE(steady_clock::now(), again + 5ms);
    EXPECT_TRUE(limiter.wait_for(1h, 2));
  });
}

TEST_P(RateLimiterTest, ContextEndsAWait) {
  run([] {
    RateLimiter limiter(0.001, 1);
    EXPECT_TRUE(limiter.wait(Context::background()));
    EXPECT_FALSE(limiter.wait(Context::background().with_timeout(1h - 59min)));  // at once: too late
    auto [context, cancel] = Context::background().with_cancel();
    WaitGroup wg;
    go_until_parked(wg, [&, given = context] { EXPECT_FALSE(limiter.wait(given)); });
    EXPECT_LT(limiter.tokens(), -0.5);  // taken in advance
    cancel();
    wg.wait();
    EXPECT_GT(limiter.tokens(), -0.5);  // and given back
    EXPECT_FALSE(limiter.wait(context));
  });
}

// What the waits behind it were put off for is not given back.
TEST_P(RateLimiterTest, OnlyTheLastTurnIsGivenBackWholly) {
  run([] {
    RateLimiter limiter(0.001, 1);
    EXPECT_TRUE(limiter.allow());
    auto [first, cancel_first] = Context::background().with_cancel();
    auto [second, cancel_second] = Context::background().with_cancel();
    WaitGroup wg;
    go_until_parked(wg, [&, given = first] { EXPECT_FALSE(limiter.wait(given)); });
    WaitGroup last;
    go_until_parked(last, [&, given = second] { EXPECT_FALSE(limiter.wait(given)); });
    EXPECT_LT(limiter.tokens(), -1.5);
    cancel_first();
    wg.wait();
    EXPECT_LT(limiter.tokens(), -1.5);  // the second keeps its turn
    cancel_second();
    last.wait();
    EXPECT_GT(limiter.tokens(), -1.5);
    EXPECT_LT(limiter.tokens(), -0.5);
  });
}

TEST_P(RateLimiterTest, BadArgumentsAreNamed) {
  run([] {
    EXPECT_THROW(RateLimiter(-1, 1), std::invalid_argument);
    EXPECT_THROW(RateLimiter(std::numeric_limits<double>::quiet_NaN(), 1), std::invalid_argument);
    EXPECT_THROW(RateLimiter(1, -1), std::invalid_argument);
    RateLimiter limiter(1, 2);
    EXPECT_THROW(limiter.wait(-1), std::invalid_argument);
    EXPECT_THROW((void)limiter.allow(-1), std::invalid_argument);
    try {
      limiter.wait(3);
      ADD_FAILURE() << "3 tokens never fit into a burst of 2";
    } catch (const std::invalid_argument& error) {
      EXPECT_STREQ(error.what(), "creel::RateLimiter: wait for 3 tokens; the burst is 2");
    }
    limiter.set_burst(5);
    EXPECT_FALSE(limiter.allow(5));  // room, not tokens
  });
}

TEST_P(GroupTest, DoesTheWorkOnce) {
  run([] {
    Group<std::string, int> group;
    Channel<void> finish;
    int calls = 0;
    WaitGroup wg;
    go_until_parked(wg, [&] {
      const auto result = group.run("key", [&] {
        finish.recv();
        return ++calls;
      });
      EXPECT_EQ(result.value, 1);
      EXPECT_TRUE(result.shared);
    });
    for (int i = 0; i < 3; ++i) {
      go_until_parked(wg, [&] {
        const auto result = group.run("key", [&] { return 100; });
        EXPECT_EQ(result.value, 1);
        EXPECT_TRUE(result.shared);
      });
    }
    EXPECT_EQ(group.run("other", [] { return 7; }).value, 7);
    finish.send();
    wg.wait();
    EXPECT_EQ(calls, 1);
    const auto after = group.run("key", [] { return 8; });
    EXPECT_EQ(after.value, 8);
    EXPECT_FALSE(after.shared);
  });
}

TEST_P(GroupTest, ErrorsGoToAll) {
  run([] {
    Group<int, int> group;
    Channel<void> finish;
    WaitGroup wg;
    std::atomic<int> caught{0};
    for (int i = 0; i < 3; ++i) {
      go_until_parked(wg, [&] {
        try {
          group.run(1, [&]() -> int {
            finish.recv();
            throw std::runtime_error("no");
          });
        } catch (const std::runtime_error&) {
          ++caught;
        }
      });
    }
    finish.send();
    wg.wait();
    EXPECT_EQ(caught, 3);
    EXPECT_EQ(group.run(1, [] { return 5; }).value, 5);
  });
}

TEST_P(GroupTest, ForgetAndContexts) {
  run([] {
    Group<int, int> group;
    Channel<void> finish;
    WaitGroup wg;
    go_until_parked(wg, [&] {
      EXPECT_EQ(group.run(1, [&] {
                       finish.recv();
                       return 1;
                     }).value,
                1);
    });
    EXPECT_EQ(group.run(Context::background().with_timeout(1ms), 1, [] { return 0; }), std::nullopt);
    group.forget(1);
    EXPECT_EQ(group.run(1, [] { return 2; }).value, 2);
    finish.send();
    wg.wait();
  });
}

}  // namespace
}  // namespace creel::test
