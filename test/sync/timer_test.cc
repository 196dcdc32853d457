// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Timer and Ticker. The Go test whose behaviour a test repeats is named beside it (time/sleep_test.go, tick_test.go).
// Nothing here takes a bound from above on a time: machines may be slow.

#include "creel/sync/timer.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

using std::chrono::steady_clock;

class TimerTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(TimerTest);

// Returns once the timer has put a value into its channel.
template <typename T>
void await_fired(T& timer) {
  await([&] { return !timer.channel().empty(); });
}

// Go: TestAfter, TestAfterTimes.
TEST_P(TimerTest, FiresOnceNotBefore) {
  run([] {
    const auto begin = steady_clock::now();
    Timer timer(2ms);
    const auto at = timer.channel().recv();
    ASSERT_TRUE(at.has_value());
    EXPECT_GE(*at, begin + 2ms);
    EXPECT_GE(steady_clock::now(), *at);
    EXPECT_FALSE(timer.stop());  // its value has been received
    EXPECT_FALSE(timer.channel().try_recv());
    Timer past(-1h);
    EXPECT_TRUE(past.channel().recv().has_value());
  });
}

// Go: TestChan (a stopped timer gives no stale value).
TEST_P(TimerTest, StopTakesBackWhatWasNotReceived) {
  run([] {
    Timer timer(1ms);
    await_fired(timer);
    EXPECT_TRUE(timer.stop());
    EXPECT_FALSE(timer.channel().try_recv());
    EXPECT_FALSE(timer.stop());
    Timer pending(1h);
    EXPECT_TRUE(pending.stop());
    EXPECT_FALSE(pending.stop());
  });
}

// Go: TestReset, TestChan (a timer that is reset gives no stale value).
TEST_P(TimerTest, ResetStartsAnew) {
  run([] {
    Timer timer(1ms);
    await_fired(timer);
    const auto begin = steady_clock::now();
    EXPECT_TRUE(timer.reset(2ms));
    const auto at = timer.channel().recv();
    EXPECT_GE(*at, begin + 2ms);  // not the value of the first time
    EXPECT_FALSE(timer.reset(1h));
    EXPECT_TRUE(timer.reset(1ms));  // earlier than before: Go's TestTimerModifiedEarlier
    EXPECT_TRUE(timer.channel().recv().has_value());
    EXPECT_FALSE(timer.reset(0s));
    EXPECT_TRUE(timer.channel().recv().has_value());
  });
}

// Go: TestStopResult, TestResetResult: the result agrees with the channel, however the firing and the call race.
TEST_P(TimerTest, ResultsAreTrue) {
  run([] {
    for (const bool by_stop : {true, false}) {
      WaitGroup wg;
      for (int fiber = 0; fiber < 20; ++fiber) {
        wg.go([by_stop] {
          for (int i = 0; i < 20; ++i) {
            Timer first(100us);
            Timer second(100us);
            const auto finish = [by_stop](Timer& other) {
              const bool pending = by_stop ? other.stop() : other.reset(1h);
              EXPECT_TRUE(pending);  // nobody else receives from it
              EXPECT_FALSE(other.channel().try_recv());
            };
            select(on_recv(first.channel(), [&](auto) { finish(second); }),
                   on_recv(second.channel(), [&](auto) { finish(first); }));
          }
        });
      }
      wg.wait();
    }
  });
}

// Several fibers stop and reset one timer while it fires and another one receives. Go: TestConcurrentTimerReset,
// TestConcurrentTimerResetStop of runtime.
TEST_P(TimerTest, ConcurrentStopAndReset) {
  run([] {
    Timer timer(10us);
    std::atomic<bool> over{false};
    WaitGroup wg;
    for (int fiber = 0; fiber < 4; ++fiber) {
      wg.go([&, fiber] {
        for (int i = 0; i < 200; ++i) {
          if ((i + fiber) % 4 == 0) {
            timer.stop();
          } else {
            timer.reset(std::chrono::microseconds(i % 20));
          }
          creel::yield();
        }
      });
    }
    WaitGroup receiver;
    receiver.go([&] {
      while (!over) {
        (void)timer.channel().try_recv();
        creel::yield();
      }
    });
    wg.wait();
    over = true;
    receiver.wait();
    timer.stop();
    EXPECT_FALSE(timer.channel().try_recv());
  });
}

// Go: TestAfterFunc. The fiber counts as the function's, so it may park.
TEST_P(TimerTest, RunsAFunctionOnAFiber) {
  run([] {
    Channel<std::uint64_t> ids;
    Timer timer(1ms, [&ids] { ids.send(this_fiber::id()); });
    const std::uint64_t first = *ids.recv();
    EXPECT_NE(first, 0u);
    EXPECT_NE(first, this_fiber::id());
    EXPECT_FALSE(timer.reset(1ms));
    EXPECT_NE(*ids.recv(), 0u);
    EXPECT_FALSE(timer.stop());
  });
}

// Go: TestAfterStop, TestTimerStopStress.
TEST_P(TimerTest, AStoppedFunctionDoesNotRun) {
  run([] {
    for (int i = 0; i < 100; ++i) {
      auto ran = std::make_shared<std::atomic<int>>(0);
      Timer timer(std::chrono::microseconds(i), [ran] { ++*ran; });
      for (int j = 0; j < i % 7; ++j) creel::yield();
      const bool stopped = timer.stop();
      if (!stopped) await([&] { return *ran == 1; });
      EXPECT_EQ(*ran, stopped ? 0 : 1);
    }
  });
}

// The function of a timer that is gone may still be running.
TEST_P(TimerTest, TheFunctionOutlivesItsTimer) {
  run([] {
    Channel<void> go_on;
    WaitGroup wg;
    wg.add(1);
    auto held = std::make_shared<int>(1);
    {
      Channel<void> started;
      Timer timer(0s, [&go_on, &wg, &started, held] {
        started.send();
        go_on.recv();
        EXPECT_EQ(*held, 1);
        wg.done();
      });
      EXPECT_TRUE(started.recv());
    }
    go_on.send();
    wg.wait();
    await([&] { return held.use_count() == 1; });
  });
}

// Go: TestOverflowSleep.
TEST_P(TimerTest, HugeDurationsNeverFire) {
  run([] {
    Timer timer(std::chrono::hours::max());
    EXPECT_FALSE(timer.channel().try_recv());
    EXPECT_TRUE(timer.stop());
    Ticker ticker(std::chrono::hours::max());
    EXPECT_FALSE(ticker.channel().try_recv());
  });
}

// Go: TestTicker, TestTickTimes.
TEST_P(TimerTest, TickerTicks) {
  run([] {
    const auto begin = steady_clock::now();
    Ticker ticker(1ms);
    steady_clock::time_point last = begin;
    for (int i = 1; i <= 5; ++i) {
      const auto at = ticker.channel().recv();
      ASSERT_TRUE(at.has_value());
      EXPECT_GE(*at, begin + i * 1ms);
      EXPECT_GT(*at, last);
      last = *at;
    }
    const auto again = steady_clock::now();
    ticker.reset(2ms);
    EXPECT_GE(*ticker.channel().recv(), again + 2ms);
    EXPECT_GE(*ticker.channel().recv(), again + 4ms);
  });
}

// Go: TestTicker (stop), TestChan, TestTeardown.
TEST_P(TimerTest, AStoppedTickerTicksNoMore) {
  run([] {
    for (int i = 0; i < 50; ++i) {
      Ticker ticker(std::chrono::microseconds(1 + i));
      if (i % 2 == 0) await_fired(ticker);
      ticker.stop();
      for (int j = 0; j < 20; ++j) {
        EXPECT_FALSE(ticker.channel().try_recv());
        creel::yield();
      }
      ticker.stop();  // again: nothing
      ticker.reset(1us);
      EXPECT_TRUE(ticker.channel().recv().has_value());
    }
  });
}

// A slow receiver misses ticks: one waits for it, no more.
TEST_P(TimerTest, ASlowReceiverMissesTicks) {
  run([] {
    Ticker ticker(10us);
    await_fired(ticker);
    const auto later = steady_clock::now() + 2ms;
    await([&] { return steady_clock::now() > later; });
    EXPECT_LE(ticker.channel().size(), 1u);
    ticker.stop();
    EXPECT_EQ(ticker.channel().size(), 0u);
  });
}

// Go: TestNewTickerLtZeroDuration, TestTickerResetLtZeroDuration.
TEST_P(TimerTest, APeriodMustBePositive) {
  run([] {
    EXPECT_THROW(Ticker(0s), std::invalid_argument);
    EXPECT_THROW(Ticker(-1ms), std::invalid_argument);
    Ticker ticker(1h);
    EXPECT_THROW(ticker.reset(-1ms), std::invalid_argument);
    try {
      ticker.reset(-1ms);
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("-1000000 ns"), std::string::npos) << error.what();
    }
  });
}

// Go: TestMultiWakeupTicker, TestTickerConcurrentStress.
TEST_P(TimerTest, ManyReceiversOfOneTicker) {
  run([] {
    Ticker ticker(10us);
    WaitGroup wg;
    for (int fiber = 0; fiber < 20; ++fiber) {
      wg.go([&ticker] {
        for (int i = 0; i < 5; ++i) EXPECT_TRUE(ticker.channel().recv().has_value());
      });
    }
    for (int i = 0; i < 20; ++i) {
      ticker.reset(10us);
      creel::yield();
    }
    wg.wait();
  });
}

}  // namespace
}  // namespace creel::test
