// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/mutex.h"

#include <gtest/gtest.h>

#include <mutex>
#include <shared_mutex>
#include <vector>

#include "creel/creel.h"
#include "creel/sched/preempt.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

class MutexTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(MutexTest);
class RWMutexTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(RWMutexTest);

void busy(std::chrono::nanoseconds duration) {
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
  }
}

// Wakes the first waiter and takes the lock again before that runs: normal mode. Caller: on one processor.
void unlock_and_overtake(Mutex& mutex) {
  const sched::NoPreempt guard;  // lock() is a safe point
  mutex.unlock();
  mutex.lock();
}

constinit Mutex global_mutex;  // compiles: constant-initialised

// One processor, so the order is certain: a waiter that lost the race after more than 1 ms gets the lock handed over.
TEST(Mutex, StarvingWaiterGetsTheLockHandedOver) {
  TimeLimit limit;
  run_with(1, [] {
    Mutex& mutex = global_mutex;
    std::vector<std::string> order;
    WaitGroup wg;
    mutex.lock();
    Probe probe;
    wg.go([&] {
      probe.here();
      mutex.lock();
      order.emplace_back("waiter");
      mutex.unlock();
    });
    probe.await_parked();
    busy(2ms);
    unlock_and_overtake(mutex);
    order.emplace_back("overtaker");
    creel::yield();  // the waiter finds the lock taken, and is starving
    ASSERT_TRUE(probe.parked());
    mutex.unlock();  // hands over, with the time slice
    EXPECT_EQ(order, (std::vector<std::string>{"overtaker", "waiter"}));
    EXPECT_TRUE(mutex.try_lock());  // and it is back in normal mode
    mutex.unlock();
    wg.wait();
  });
}

// While waiters starve, the lock goes from one to the next in the order they came, and whoever comes later waits behind
// them, though the lock's holder is at work and they are not. One processor, so the order is certain.
TEST(Mutex, InStarvationModeNobodyOvertakes) {
  TimeLimit limit;
  run_with(1, [] {
    Mutex mutex;
    std::vector<std::string> order;
    WaitGroup wg;
    mutex.lock();
    Probe first;
    wg.go([&] {
      first.here();
      mutex.lock();
      order.emplace_back("first");
      creel::yield();  // the main fiber asks for the lock meanwhile
      mutex.unlock();
    });
    first.await_parked();
    go_until_parked(wg, [&] {
      mutex.lock();
      order.emplace_back("second");
      mutex.unlock();
    });
    busy(2ms);
    unlock_and_overtake(mutex);
    creel::yield();  // the first waiter finds the lock taken, and is starving
    ASSERT_TRUE(first.parked());
    mutex.unlock();  // handed over to it
    EXPECT_EQ(order.size(), 1u);
    mutex.lock();
    order.emplace_back("newcomer");
    mutex.unlock();
    wg.wait();
    EXPECT_EQ(order, (std::vector<std::string>{"first", "second", "newcomer"}));
  });
}

TEST_P(MutexTest, AHogDoesNotStarveOthers) {
  run([] {
    Mutex mutex;
    std::atomic<bool> served{false};
    WaitGroup wg;
    mutex.lock();
    go_until_parked(wg, [&] {
      mutex.lock();
      served = true;
      mutex.unlock();
    });
    mutex.unlock();
    int rounds = 0;
    for (; rounds < 10000 && !served; ++rounds) {
      mutex.lock();
      busy(20us);
      mutex.unlock();
    }
    EXPECT_LT(rounds, 10000);
    wg.wait();
  });
}

TEST_P(MutexTest, MayBeUnlockedByAnotherFiber) {
  run([] {
    Mutex mutex;
    mutex.lock();
    WaitGroup wg;
    wg.go([&] { mutex.unlock(); });
    mutex.lock();
    mutex.unlock();
    wg.wait();
  });
}

TEST_P(MutexTest, StressOfShortSections) {
  run([] {
    Mutex mutex;
    std::int64_t total = 0;
    WaitGroup wg;
    for (int i = 0; i < 8; ++i) {
      wg.go([&] {
        for (int k = 0; k < 20000; ++k) {
          std::lock_guard guard(mutex);
          ++total;
        }
      });
    }
    wg.wait();
    EXPECT_EQ(total, 8 * 20000);
  });
}

// The last user destroys the mutex at once, while the unlock() that let it in may still be on its way. Under
// AddressSanitizer a late touch is an error; without it, it damages whatever the memory holds next. More processors
// than the machine has, so that the kernel stops a worker now and then inside unlock().
TEST(Mutex, MayBeDestroyedByItsLastUser) {
  TimeLimit limit;
  struct Object {
    Mutex mutex;
    int users = 5;
  };
  run_with(8, [] {
    const auto end = std::chrono::steady_clock::now() + 1s;
    std::atomic<int> destroyed{0};
    int created = 0;
    while (std::chrono::steady_clock::now() < end) {
      WaitGroup wg;
      for (int i = 0; i < 40; ++i, ++created) {
        auto* object = new Object;
        for (int user = 0; user < 5; ++user) {
          wg.go([object, user, &destroyed] {
            // Waiters that give up take the reason to wake anybody away from the unlocker.
            if (user % 2 == 1) {
              while (!object->mutex.try_lock_for(2us)) {
              }
            } else {
              object->mutex.lock();
            }
            busy(200ns);
            const bool last = --object->users == 0;
            object->mutex.unlock();
            if (!last) return;
            delete object;
            ++destroyed;
          });
        }
      }
      wg.wait();
    }
    EXPECT_EQ(destroyed, created);
  });
}

TEST(MutexDeathTest, UnlockOfAnUnlockedMutex) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Mutex mutex;
        mutex.unlock();
      },
      "not locked");
}

TEST(MutexDeathTest, WaitingOutsideAFiber) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Mutex mutex;
        mutex.lock();
        mutex.lock();
      },
      "creel::Mutex::lock\\(\\)");
}

TEST_P(RWMutexTest, ReadersShareWritersDoNot) {
  run([] {
    RWMutex mutex;
    mutex.lock_shared();
    EXPECT_TRUE(mutex.try_lock_shared());
    EXPECT_FALSE(mutex.try_lock());
    mutex.unlock_shared();
    mutex.unlock_shared();
    mutex.lock();
    EXPECT_FALSE(mutex.try_lock_shared());
    EXPECT_FALSE(mutex.try_lock());
    mutex.unlock();
    std::shared_lock shared(mutex);
  });
}

TEST_P(RWMutexTest, AWaitingWriterKeepsNewReadersOut) {
  run([] {
    RWMutex mutex;
    std::vector<std::string> order;
    WaitGroup wg;
    mutex.lock_shared();
    go_until_parked(wg, [&] {
      mutex.lock();
      order.emplace_back("writer");
      mutex.unlock();
    });
    EXPECT_FALSE(mutex.try_lock_shared());
    go_until_parked(wg, [&] {
      mutex.lock_shared();
      order.emplace_back("reader");
      mutex.unlock_shared();
    });
    mutex.unlock_shared();
    wg.wait();
    EXPECT_EQ(order, (std::vector<std::string>{"writer", "reader"}));
  });
}

TEST_P(RWMutexTest, ALeavingWriterAdmitsAllReadersBeforeTheNextWriter) {
  run([] {
    RWMutex mutex;
    std::atomic<int> readers{0};
    int seen_by_writer = -1;
    WaitGroup wg;
    mutex.lock();
    go_until_parked(wg, [&] {
      mutex.lock();
      seen_by_writer = readers;
      mutex.unlock();
    });
    for (int i = 0; i < 5; ++i) {
      go_until_parked(wg, [&] {
        mutex.lock_shared();
        ++readers;
        mutex.unlock_shared();
      });
    }
    mutex.unlock();
    wg.wait();
    EXPECT_EQ(seen_by_writer, 5);
  });
}

TEST_P(RWMutexTest, AWriterThatGivesUpAdmitsTheReadersBehindIt) {
  run([] {
    RWMutex mutex;
    mutex.lock_shared();
    WaitGroup wg;
    Probe writer;
    std::atomic<bool> gave_up{false};
    wg.go([&] {
      writer.here();
      EXPECT_FALSE(mutex.try_lock_for(20ms));
      gave_up = true;
    });
    await([&] { return writer.parked() || gave_up.load(); });  // on a slow machine its time may be up already
    wg.go([&] {
      mutex.lock_shared();  // may have to wait for the writer, but not for the reader
      mutex.unlock_shared();
    });
    wg.wait();
    EXPECT_TRUE(mutex.try_lock_shared());
    mutex.unlock_shared();
    mutex.unlock_shared();
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_P(RWMutexTest, ReadersTimeOut) {
  run([] {
    RWMutex mutex;
    mutex.lock();
    EXPECT_FALSE(mutex.try_lock_shared_for(2ms));
    mutex.unlock();
    EXPECT_TRUE(mutex.try_lock_shared_for(2ms));
    mutex.unlock_shared();
  });
}

TEST_P(RWMutexTest, Stress) {
  run([] {
    RWMutex mutex;
    std::atomic<int> readers{0};
    int writers = 0;
    int written = 0;
    WaitGroup wg;
    for (int i = 0; i < 8; ++i) {
      wg.go([&, i] {
        for (int k = 0; k < 1000; ++k) {
          const bool timed = k % 3 == 0;
          if ((i + k) % 8 == 0) {
            if (timed && !mutex.try_lock_for(20us)) continue;
            if (!timed) mutex.lock();
            EXPECT_EQ(++writers, 1);
            EXPECT_EQ(readers.load(), 0);
            if (k % 16 == 0) creel::yield();
            --writers;
            ++written;
            mutex.unlock();
          } else {
            if (timed && !mutex.try_lock_shared_for(20us)) continue;
            if (!timed) mutex.lock_shared();
            ++readers;
            EXPECT_EQ(writers, 0);
            if (k % 16 == 0) creel::yield();
            --readers;
            mutex.unlock_shared();
          }
        }
      });
    }
    wg.wait();
    EXPECT_GT(written, 0);
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

// As for Mutex. The writers count, as only they know that no reader is left inside unlock_shared() with its hold.
TEST(RWMutex, MayBeDestroyedByItsLastWriter) {
  TimeLimit limit;
  constexpr int kReaders = 3;
  struct Object {
    RWMutex mutex;
    std::atomic<int> readers{kReaders};
    int writers = 2;
  };
  run_with(8, [] {
    const auto end = std::chrono::steady_clock::now() + 1s;
    std::atomic<int> destroyed{0};
    int created = 0;
    while (std::chrono::steady_clock::now() < end) {
      WaitGroup wg;
      for (int i = 0; i < 40; ++i, ++created) {
        auto* object = new Object;
        for (int reader = 0; reader < kReaders; ++reader) {
          wg.go([object] {
            object->mutex.lock_shared();
            busy(200ns);
            --object->readers;
            object->mutex.unlock_shared();
          });
        }
        for (int writer = 0; writer < 2; ++writer) {
          wg.go([object, writer, &destroyed] {
            for (;;) {
              if (writer == 0) {
                object->mutex.lock();
              } else if (!object->mutex.try_lock_for(2us)) {
                continue;
              }
              const bool done = object->readers == 0;
              const bool last = done && --object->writers == 0;
              object->mutex.unlock();
              if (last) {
                delete object;
                ++destroyed;
              }
              if (done) return;
              creel::yield();
            }
          });
        }
      }
      wg.wait();
    }
    EXPECT_EQ(destroyed, created);
  });
}

// The last reader is on its way to hand the lock over: whoever waits then gets it, or nobody waits. Either way the lock
// works on.
TEST_P(RWMutexTest, WritersThatGiveUpWhileTheLastReaderLeaves) {
  run([] {
    RWMutex mutex;
    int written = 0;
    int expected = 0;
    for (int i = 0; i < 300; ++i) {
      WaitGroup wg;
      std::atomic<int> succeeded{0};
      mutex.lock_shared();
      for (int writer = 0; writer < 2; ++writer) {
        wg.go([&] {
          if (!mutex.try_lock_for(50us)) return;
          ++written;
          ++succeeded;
          mutex.unlock();
        });
      }
      const auto end = std::chrono::steady_clock::now() + 50us;
      while (std::chrono::steady_clock::now() < end) creel::yield();
      mutex.unlock_shared();
      wg.wait();
      expected += succeeded;
      ASSERT_TRUE(mutex.try_lock());
      mutex.unlock();
    }
    EXPECT_EQ(written, expected);
  });
}

// One processor: what was made runnable has not run yet, or has ended.
TEST(RWMutex, WhileTheNextWriterIsOnItsWayReadersGoInAndWritersDoNot) {
  TimeLimit limit;
  run_with(1, [] {
    RWMutex mutex;
    std::vector<int> order;
    WaitGroup wg;
    mutex.lock();
    for (int i = 1; i <= 2; ++i) {
      go_until_parked(wg, [&, i] {
        mutex.lock();
        order.push_back(i);
        mutex.unlock();
      });
    }
    mutex.unlock();
    EXPECT_TRUE(mutex.try_lock_shared());
    mutex.unlock_shared();
    if (mutex.try_lock()) {
      EXPECT_EQ(order.size(), 2U) << "passed a writer that was waiting";
      mutex.unlock();
    }
    mutex.lock();
    order.push_back(3);
    mutex.unlock();
    wg.wait();
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  });
}

// It has been woken to lock, finds readers, and has no time left: the writer behind it keeps new readers out now.
TEST(RWMutex, AWriterThatGivesUpOnItsWayPassesItsTurnOn) {
  TimeLimit limit;
  run_with(1, [] {
    RWMutex mutex;
    bool first_locked = true;
    bool second_locked = false;
    WaitGroup wg;
    mutex.lock();
    Probe first;
    bool first_done = false;
    wg.go([&] {
      first.here();
      first_locked = mutex.try_lock_for(30ms);
      if (first_locked) mutex.unlock();
      first_done = true;
    });
    await([&] { return first.parked() || first_done; });
    go_until_parked(wg, [&] {
      mutex.lock();
      second_locked = true;
      mutex.unlock();
    });
    mutex.unlock();
    mutex.lock_shared();
    busy(40ms);
    await([&] { return first_done; });
    EXPECT_FALSE(mutex.try_lock_shared());
    EXPECT_FALSE(second_locked);
    mutex.unlock_shared();
    wg.wait();
    EXPECT_FALSE(first_locked);
    EXPECT_TRUE(second_locked);
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST(RWMutexDeathTest, Misuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        RWMutex mutex;
        mutex.unlock();
      },
      "not locked for writing");
  EXPECT_DEATH(
      {
        RWMutex mutex;
        mutex.unlock_shared();
      },
      "not locked for reading");
  EXPECT_DEATH(
      {
        RWMutex mutex;
        mutex.lock_shared();
        mutex.unlock();
      },
      "not locked for writing");
}

}  // namespace
}  // namespace creel::test
