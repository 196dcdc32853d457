// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/cond_var.h"

#include <gtest/gtest.h>

#include <deque>
#include <mutex>
#include <vector>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

class CondVarTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(CondVarTest);

TEST_P(CondVarTest, NotifyOneWakesInOrder) {
  run([] {
    Mutex mutex;
    CondVar cond;
    std::vector<int> order;
    WaitGroup wg;
    for (int i = 0; i < 6; ++i) {
      go_until_parked(wg, [&mutex, &cond, &order, i] {
        std::unique_lock lock(mutex);
        cond.wait(lock);
        order.push_back(i);
      });
    }
    for (std::size_t i = 0; i < 6; ++i) {
      cond.notify_one();
      await([&] {
        std::lock_guard guard(mutex);
        return order.size() == i + 1;
      });
    }
    wg.wait();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
  });
}

TEST_P(CondVarTest, NotifyAllWakesAllThatWait) {
  run([] {
    RWMutex mutex;  // any lock will do
    CondVar cond;
    bool open = false;
    int through = 0;
    WaitGroup wg;
    for (int i = 0; i < 10; ++i) {
      go_until_parked(wg, [&] {
        std::unique_lock lock(mutex);
        cond.wait(lock, [&] { return open; });
        ++through;
      });
    }
    {
      std::unique_lock lock(mutex);
      open = true;
    }
    cond.notify_all();
    wg.wait();
    EXPECT_EQ(through, 10);
  });
}

TEST_P(CondVarTest, NotifyBeforeTheWaitIsForgotten) {
  run([] {
    Mutex mutex;
    CondVar cond;
    cond.notify_one();
    cond.notify_all();
    std::unique_lock lock(mutex);
    EXPECT_EQ(cond.wait_for(lock, 2ms), std::cv_status::timeout);
    EXPECT_TRUE(lock.owns_lock());
    EXPECT_FALSE(mutex.try_lock());
  });
}

TEST_P(CondVarTest, TimedWaitsReportThePredicate) {
  run([] {
    Mutex mutex;
    CondVar cond;
    std::unique_lock lock(mutex);
    EXPECT_FALSE(cond.wait_for(lock, 1ms, [] { return false; }));
    EXPECT_TRUE(cond.wait_until(lock, std::chrono::system_clock::now() - 1s, [] { return true; }));
    bool flag = false;
    WaitGroup wg;
    wg.go([&] {
      std::lock_guard guard(mutex);
      flag = true;
      cond.notify_one();
    });
    EXPECT_TRUE(cond.wait_for(lock, 1h, [&] { return flag; }));
    lock.unlock();
    wg.wait();
  });
}

// A lock whose unlock() lets the notifier run first: the notification arrives between the release and the park.
struct NotifyingLock {
  Mutex& mutex;
  CondVar& cond;
  void lock() { mutex.lock(); }
  void unlock() {
    mutex.unlock();
    cond.notify_one();
  }
};

TEST_P(CondVarTest, NotificationBetweenReleaseAndParkCounts) {
  run([] {
    Mutex mutex;
    CondVar cond;
    NotifyingLock lock{mutex, cond};
    lock.lock();
    cond.wait(lock);  // would never return if the notification were lost
    EXPECT_EQ(cond.wait_for(lock, 1h), std::cv_status::no_timeout);
    EXPECT_FALSE(mutex.try_lock());
    mutex.unlock();
  });
}

struct ThrowingLock {
  void lock() {}
  void unlock() { throw std::runtime_error("unlock"); }
};

TEST_P(CondVarTest, AnExceptionOfUnlockLeavesNoWaiterBehind) {
  run([] {
    CondVar cond;
    ThrowingLock lock;
    EXPECT_THROW(cond.wait(lock), std::runtime_error);
    EXPECT_THROW((void)cond.wait_for(lock, 1h), std::runtime_error);
    cond.notify_all();  // would touch a dead frame
  });
}

TEST_P(CondVarTest, StressOfABoundedQueue) {
  run([] {
    constexpr int kItems = 4000;
    Mutex mutex;
    CondVar not_empty;
    CondVar not_full;
    std::deque<int> queue;
    std::int64_t sum = 0;
    WaitGroup wg;
    for (int p = 0; p < 4; ++p) {
      wg.go([&] {
        for (int i = 1; i <= kItems; ++i) {
          std::unique_lock lock(mutex);
          not_full.wait(lock, [&] { return queue.size() < 3; });
          queue.push_back(i);
          not_empty.notify_one();
        }
      });
      wg.go([&] {
        for (int i = 1; i <= kItems; ++i) {
          std::unique_lock lock(mutex);
          while (!not_empty.wait_for(lock, 50us, [&] { return !queue.empty(); })) {
          }
          sum += queue.front();
          queue.pop_front();
          not_full.notify_one();
        }
      });
    }
    wg.wait();
    EXPECT_EQ(sum, std::int64_t{4} * kItems * (kItems + 1) / 2);
  });
}

}  // namespace
}  // namespace creel::test
