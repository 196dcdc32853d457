// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// WaitGroup, Once, Semaphore, Barrier.

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

class WaitGroupTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(WaitGroupTest);
class OnceTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(OnceTest);
class SemaphoreTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(SemaphoreTest);
class BarrierTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(BarrierTest);

TEST_P(WaitGroupTest, WaitsForAll) {
  run([] {
    WaitGroup wg;
    wg.wait();  // nothing to wait for
    std::atomic<int> count{0};
    for (int i = 0; i < 1000; ++i) wg.go([&] { ++count; });
    wg.wait();
    EXPECT_EQ(count, 1000);
    wg.go([&] { ++count; });  // reusable
    wg.wait();
    EXPECT_EQ(count, 1001);
  });
}

TEST_P(WaitGroupTest, WhatAFunctionHoldsIsGoneWhenItIsWaitedFor) {
  run([] {
    const auto held = std::make_shared<int>(1);
    for (int round = 0; round < 200; ++round) {
      WaitGroup wg;
      for (int i = 0; i < 8; ++i) wg.go([copy = held] { yield(); });
      wg.wait();
      ASSERT_EQ(held.use_count(), 1);
    }
  });
}

TEST_P(WaitGroupTest, ManyMayWait) {
  run([] {
    WaitGroup group;
    group.add(2);
    WaitGroup waiters;
    std::atomic<int> through{0};
    for (int i = 0; i < 5; ++i) {
      go_until_parked(waiters, [&] {
        group.wait();
        ++through;
      });
    }
    group.done();
    creel::yield();
    EXPECT_EQ(through, 0);
    group.done();
    waiters.wait();
    EXPECT_EQ(through, 5);
  });
}

TEST_P(WaitGroupTest, TimeLimit) {
  run([] {
    WaitGroup group;
    group.add(1);
    EXPECT_FALSE(group.wait_for(-1s));
    EXPECT_FALSE(group.wait_for(2ms));
    group.done();
    EXPECT_TRUE(group.wait_for(-1s));
    group.go([] {});
    EXPECT_TRUE(group.wait_for(1h));
    group.go([] { creel::yield(); });
    EXPECT_TRUE(group.wait_for(std::chrono::hours::max()));
  });
}

TEST_P(WaitGroupTest, TakesCallablesOfAllKinds) {
  run([] {
    static std::atomic<int> calls{0};
    struct MoveOnly {
      std::unique_ptr<int> value;
      void operator()() { calls += *value; }
    };
    WaitGroup wg;
    wg.go(+[] { ++calls; });
    wg.go(MoveOnly{std::make_unique<int>(10)});
    const auto lvalue = [] { calls += 100; };
    wg.go(lvalue);
    wg.wait();
    EXPECT_EQ(calls.exchange(0), 111);
  });
}

// The group may go as soon as wait() has returned, though the last done() may still be on its way out.
TEST_P(WaitGroupTest, MayBeDestroyedRightAfterWait) {
  run([] {
    for (int i = 0; i < 3000; ++i) {
      auto group = std::make_unique<WaitGroup>();
      group->go([] {});
      group->go([] {});
      if (i % 2 == 0) {
        group->wait();
      } else {
        while (!group->wait_for(1us)) {
        }
      }
    }
  });
}

TEST(WaitGroupDeathTest, Misuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        WaitGroup group;
        group.done();
      },
      "negative counter");
}

TEST_P(OnceTest, RunsOnceAndOthersWait) {
  run([] {
    Once once;
    int runs = 0;
    bool open = false;
    Channel<void> gate;
    WaitGroup wg;
    go_until_parked(wg, [&] {
      once.call([&] {
        ++runs;
        (void)gate.recv();
        open = true;
      });
    });
    for (int i = 0; i < 5; ++i) {
      go_until_parked(wg, [&] {
        once.call([&] { ++runs; });
        EXPECT_TRUE(open);
      });
    }
    EXPECT_FALSE(once.done());
    gate.send();
    wg.wait();
    EXPECT_EQ(runs, 1);
    EXPECT_TRUE(once.done());
    once.call([](int) { ADD_FAILURE(); }, 1);
  });
}

TEST_P(OnceTest, AnExceptionLetsTheNextOneTry) {
  run([] {
    Once once;
    Channel<void> gate;
    int succeeded = 0;
    WaitGroup wg;
    go_until_parked(wg, [&] {
      EXPECT_THROW(once.call([&] {
        (void)gate.recv();
        throw std::runtime_error("first");
      }),
                   std::runtime_error);
    });
    for (int i = 0; i < 3; ++i) go_until_parked(wg, [&] { once.call([&] { ++succeeded; }); });
    gate.send();
    wg.wait();
    EXPECT_EQ(succeeded, 1);
    Once alone;
    EXPECT_THROW(alone.call([] { throw 1; }), int);
    EXPECT_FALSE(alone.done());
    alone.call([] {});
    EXPECT_TRUE(alone.done());
  });
}

TEST_P(SemaphoreTest, CountsPermits) {
  run([] {
    Semaphore semaphore(3);
    EXPECT_TRUE(semaphore.try_acquire(2));
    EXPECT_FALSE(semaphore.try_acquire(2));
    EXPECT_TRUE(semaphore.try_acquire(1));
    EXPECT_FALSE(semaphore.try_acquire());
    EXPECT_TRUE(semaphore.try_acquire(0));
    semaphore.release(5);
    EXPECT_EQ(semaphore.available(), 5);
    semaphore.acquire(5);
    EXPECT_FALSE(semaphore.try_acquire_for(1ms));
  });
}

TEST_P(SemaphoreTest, ManyPermitsAreNotOvertakenByFew) {
  run([] {
    Semaphore semaphore(1);
    std::vector<std::string> order;
    Mutex mutex;
    const auto note = [&](const char* what) {
      std::lock_guard guard(mutex);
      order.emplace_back(what);
    };
    WaitGroup wg;
    go_until_parked(wg, [&] {
      semaphore.acquire(3);
      note("three");
      semaphore.release(1);
    });
    go_until_parked(wg, [&] {
      semaphore.acquire(1);
      note("one");
    });
    EXPECT_FALSE(semaphore.try_acquire(1));  // there is one, but others were first
    semaphore.release(1);
    EXPECT_EQ(semaphore.available(), 2);
    semaphore.release(1);
    wg.wait();
    EXPECT_EQ(order, (std::vector<std::string>{"three", "one"}));
  });
}

TEST_P(SemaphoreTest, AWaiterThatGivesUpLetsTheNextOnesThrough) {
  run([] {
    Semaphore semaphore(1);
    WaitGroup wg;
    Probe first;
    std::atomic<bool> gave_up{false};
    wg.go([&] {
      first.here();
      EXPECT_FALSE(semaphore.try_acquire_for(5ms, 2));
      gave_up = true;
    });
    await([&] { return first.parked() || gave_up.load(); });  // on a slow machine its time may be up already
    wg.go([&] { semaphore.acquire(1); });
    wg.wait();  // returns only because the expiry serves the second
    EXPECT_EQ(semaphore.available(), 0);
  });
}

TEST_P(SemaphoreTest, Stress) {
  run([] {
    Semaphore semaphore(4);
    std::atomic<std::int64_t> inside{0};
    WaitGroup wg;
    for (int i = 0; i < 8; ++i) {
      wg.go([&, i] {
        for (int k = 0; k < 1500; ++k) {
          const std::int64_t count = 1 + (i + k) % 3;
          if (k % 4 == 0) {
            if (!semaphore.try_acquire_for(30us, count)) continue;
          } else {
            semaphore.acquire(count);
          }
          EXPECT_LE(inside += count, 4);
          if (k % 16 == 0) creel::yield();
          inside -= count;
          semaphore.release(count);
        }
      });
    }
    wg.wait();
    EXPECT_EQ(semaphore.available(), 4);
  });
}

TEST(SemaphoreDeathTest, Misuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Semaphore(-1), "negative number of permits");
  EXPECT_DEATH(Semaphore(1).release(-1), "negative number of permits");
}

TEST_P(BarrierTest, PhasesDoNotMix) {
  run([] {
    constexpr std::size_t kFibers = 5;
    constexpr int kPhases = 200;
    int completions = 0;
    std::atomic<int> arrived{0};
    Barrier barrier(kFibers, [&] {
      EXPECT_EQ(arrived.exchange(0), static_cast<int>(kFibers));
      ++completions;
    });
    std::atomic<int> last{0};
    WaitGroup wg;
    for (std::size_t i = 0; i < kFibers; ++i) {
      wg.go([&] {
        for (int phase = 0; phase < kPhases; ++phase) {
          ++arrived;
          if (barrier.arrive_and_wait()) ++last;
          EXPECT_GT(completions, phase);
        }
      });
    }
    wg.wait();
    EXPECT_EQ(completions, kPhases);
    EXPECT_EQ(last, kPhases);
  });
}

TEST_P(BarrierTest, AnExceptionOfTheCompletionLetsTheOthersGo) {
  run([] {
    Barrier barrier(3, [] { throw std::runtime_error("completion"); });
    WaitGroup wg;
    for (int i = 0; i < 2; ++i) go_until_parked(wg, [&] { EXPECT_FALSE(barrier.arrive_and_wait()); });
    EXPECT_THROW(barrier.arrive_and_wait(), std::runtime_error);
    wg.wait();
  });
}

TEST_P(BarrierTest, DroppingOutEndsThePhaseOfTheRest) {
  run([] {
    Barrier barrier(3);
    WaitGroup wg;
    for (int i = 0; i < 2; ++i) go_until_parked(wg, [&] { barrier.arrive_and_wait(); });
    barrier.arrive_and_drop();
    wg.wait();
    go_until_parked(wg, [&] { barrier.arrive_and_wait(); });
    EXPECT_TRUE(barrier.arrive_and_wait());
    wg.wait();
  });
}

TEST(BarrierDeathTest, ForNobody) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Barrier(0), "zero fibers");
}

}  // namespace
}  // namespace creel::test
