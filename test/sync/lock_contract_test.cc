// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What every exclusive lock of sync/ must do, as one typed suite.

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <vector>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

// A semaphore of one permit is a lock, too.
class SemaphoreLock {
 public:
  void lock() { semaphore_.acquire(); }
  bool try_lock() { return semaphore_.try_acquire(); }
  template <typename D>
  bool try_lock_for(D duration) {
    return semaphore_.try_acquire_for(duration);
  }
  void unlock() { semaphore_.release(); }

 private:
  Semaphore semaphore_{1};
};

// As is a channel with room for one.
class ChannelLock {
 public:
  void lock() { channel_.send(); }
  bool try_lock() { return channel_.try_send(); }
  template <typename D>
  bool try_lock_for(D duration) {
    return channel_.send_for(duration);
  }
  void unlock() { (void)channel_.recv(); }

 private:
  Channel<void> channel_{1};
};

template <typename T>
class LockContract : public ::testing::Test {
 private:
  TimeLimit limit_;
};
using Locks = ::testing::Types<Mutex, RWMutex, SemaphoreLock, ChannelLock>;
TYPED_TEST_SUITE(LockContract, Locks);

constexpr int kProcs[] = {1, 2, 4, kMigrating};

TYPED_TEST(LockContract, ExcludesOthers) {
  for (int procs : kProcs) {
    run_with(procs, [] {
      TypeParam lock;
      int inside = 0;
      int total = 0;
      WaitGroup wg;
      for (int i = 0; i < 16; ++i) {
        wg.go([&] {
          for (int k = 0; k < 200; ++k) {
            std::unique_lock guard(lock);
            EXPECT_EQ(++inside, 1);
            if (k % 8 == 0) creel::yield();
            --inside;
            ++total;
          }
        });
      }
      wg.wait();
      EXPECT_EQ(total, 16 * 200);
    });
  }
}

TYPED_TEST(LockContract, TryLockFailsWhileHeld) {
  for (int procs : kProcs) {
    run_with(procs, [] {
      TypeParam lock;
      EXPECT_TRUE(lock.try_lock());
      EXPECT_FALSE(lock.try_lock());
      EXPECT_FALSE(lock.try_lock_for(-1s));
      lock.unlock();
      EXPECT_TRUE(lock.try_lock());
      lock.unlock();
    });
  }
}

TYPED_TEST(LockContract, TimedLockGivesUpNoEarlierThanAsked) {
  for (int procs : kProcs) {
    run_with(procs, [] {
      TypeParam lock;
      lock.lock();
      WaitGroup wg;
      wg.go([&] {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_FALSE(lock.try_lock_for(3ms));
        EXPECT_GE(std::chrono::steady_clock::now() - begin, 3ms);
      });
      wg.wait();
      lock.unlock();
      EXPECT_TRUE(lock.try_lock());
      lock.unlock();
    });
  }
}

TYPED_TEST(LockContract, TimedLockSucceedsWhenReleased) {
  for (int procs : kProcs) {
    run_with(procs, [] {
      TypeParam lock;
      lock.lock();
      WaitGroup wg;
      go_until_parked(wg, [&] {
        EXPECT_TRUE(lock.try_lock_for(1h));
        lock.unlock();
      });
      lock.unlock();
      wg.wait();
      EXPECT_TRUE(lock.try_lock());
      lock.unlock();
    });
  }
}

TYPED_TEST(LockContract, WaitersAreServedInOrder) {
  for (int procs : kProcs) {
    run_with(procs, [] {
      TypeParam lock;
      std::vector<int> order;
      WaitGroup wg;
      lock.lock();
      for (int i = 0; i < 8; ++i) {
        go_until_parked(wg, [&lock, &order, i] {
          lock.lock();
          order.push_back(i);
          lock.unlock();
        });
      }
      lock.unlock();
      wg.wait();
      EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
    });
  }
}

TYPED_TEST(LockContract, AWaiterThatGaveUpLosesNoWakeUp) {
  for (int procs : kProcs) {
    run_with(procs, [] {
      TypeParam lock;
      lock.lock();
      WaitGroup wg;
      WaitGroup gave_up;
      gave_up.go([&] { EXPECT_FALSE(lock.try_lock_for(2ms)); });
      Probe probe;
      wg.go([&] {
        probe.here();
        lock.lock();
        lock.unlock();
      });
      probe.await_parked();
      gave_up.wait();
      lock.unlock();
      wg.wait();
    });
  }
}

// Time limits and releases at the same moment: exclusion holds and nobody is left behind.
TYPED_TEST(LockContract, StressOfTimeLimits) {
  for (int procs : kProcs) {
    run_with(procs, [] {
      TypeParam lock;
      int inside = 0;
      WaitGroup wg;
      for (int i = 0; i < 8; ++i) {
        wg.go([&, i] {
          for (int k = 0; k < 150; ++k) {
            bool locked = true;
            switch ((i + k) % 4) {
              case 0:
                lock.lock();
                break;
              case 1:
                locked = lock.try_lock();
                break;
              default:
                locked = lock.try_lock_for(std::chrono::microseconds(10 * (k % 12)));
            }
            if (!locked) {
              creel::yield();
              continue;
            }
            EXPECT_EQ(++inside, 1);
            if (k % 4 == 0) creel::yield();
            --inside;
            lock.unlock();
          }
        });
      }
      wg.wait();
      EXPECT_TRUE(lock.try_lock());
      lock.unlock();
    });
  }
}

}  // namespace
}  // namespace creel::test
