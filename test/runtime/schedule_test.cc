// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <thread>
#include <vector>

#include "creel/sched/preempt.h"
#include "test/runtime/fixture.h"
#include "test/runtime/loops.h"

namespace creel::test {
namespace {

class Schedule : public RuntimeTest {};
INSTANTIATE_RUNTIME_TEST(Schedule);

// --- yield

TEST(Yield, TakesTurnsOnOneProcessor) {
  const Watchdog watchdog;
  run_with(1, [] {
    std::vector<int> order;  // one processor: no lock
    creel::WaitGroup group;
    for (int i = 0; i < 3; ++i) {
      group.go([&order, i] {
        for (int k = 0; k < 3; ++k) {
          order.push_back(i);
          creel::yield();
        }
      });
    }
    group.wait();
    // The fiber created last runs first (next in line), the others in order; then they take turns.
    EXPECT_EQ(order, (std::vector<int>{2, 0, 1, 2, 0, 1, 2, 0, 1}));
  });
}

TEST_P(Schedule, ALoopOfYieldsLetsOthersFinish) {
  run([] {
    std::atomic<int> left{100};
    for (int i = 0; i < 100; ++i) {
      creel::go([&left] {
        for (int k = 0; k < 10; ++k) creel::yield();
        left.fetch_sub(1);
      });
    }
    await([&left] { return left.load() == 0; });
  });
}

// --- sleep

TEST_P(Schedule, SleepNeverEndsEarly) {
  run([] {
    creel::WaitGroup group;
    for (int i = 0; i < 50; ++i) {
      group.go([i] {
        const auto length = std::chrono::microseconds(i * 137);
        const auto before = std::chrono::steady_clock::now();
        creel::sleep_for(length);
        EXPECT_GE(std::chrono::steady_clock::now() - before, length);
        const auto deadline = std::chrono::system_clock::now() + 2ms;
        creel::sleep_until(deadline);
        EXPECT_GE(std::chrono::system_clock::now(), deadline);
      });
    }
    group.wait();
    creel::sleep_for(-1h);
    creel::sleep_until(std::chrono::steady_clock::now() - 1h);
  });
}

// Ten sleepers on one P, all asleep before the first is due, all due at once when they are looked at.
TEST(Sleep, EndsInOrderOfTheDeadlinesOnOneProcessor) {
  const Watchdog watchdog;
  run_with(1, [] {
    for (auto lead = 2ms;; lead *= 2) {
      std::vector<int> order;
      creel::WaitGroup group;
      const auto base = std::chrono::steady_clock::now() + lead;
      for (const int i : {5, 2, 9, 1, 7, 3, 8, 4, 6, 0}) {
        group.go([&order, base, i] {
          creel::sleep_until(base + i * 1us);
          order.push_back(i);
        });
      }
      creel::yield();
      const bool asleep_in_time = std::chrono::steady_clock::now() < base;  // else the machine was too busy: again
      while (std::chrono::steady_clock::now() < base + 1ms) {
      }
      group.wait();
      if (!asleep_in_time) continue;
      EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
      return;
    }
  });
}

TEST_P(Schedule, TenThousandSleepersAllWake) {
  run([] {
    creel::WaitGroup group;
    std::atomic<int> woken{0};
    for (int i = 0; i < 10'000; ++i) {
      group.go([&woken, i] {
        creel::sleep_for(std::chrono::microseconds(i * 7919 % 20'000));
        woken.fetch_add(1, std::memory_order_relaxed);
      });
    }
    group.wait();
    EXPECT_EQ(woken.load(), 10'000);
  });
}

// --- preemption: each loop ends only when another fiber has run meanwhile

TEST(Preemption, CheckpointLetsAnotherFiberRun) {
  const Watchdog watchdog;
  for (const int procs : {1, kMigratingOne}) {
    run_with(procs, [] {
      std::atomic<bool> flag{false};
      auto other = creel::spawn([&flag] { flag.store(true); });
      while (!flag.load()) creel::checkpoint();
      other.join();
    });
  }
}

TEST(Preemption, LoopsBuiltWithPreemptLoopsNeedNoCheckpoint) {
  const Watchdog watchdog;
  for (const int procs : {1, kMigratingOne}) {
    run_with(procs, [] {
      std::atomic<bool> flag{false};
      auto other = creel::spawn([&flag] { flag.store(true); });
      EXPECT_GT(loop_until(flag), 0u);
      other.join();
    });
  }
}

TEST(Preemption, SleepersWakeWhileALoopRuns) {
  const Watchdog watchdog;
  run_with(1, [] {
    std::atomic<bool> flag{false};
    auto other = creel::spawn([&flag] {
      creel::sleep_for(5ms);
      flag.store(true);
    });
    while (!flag.load()) creel::checkpoint();
    other.join();
  });
}

TEST(Preemption, CheckpointOutsideAFiberDoesNothing) {
  const Watchdog watchdog;
  const std::atomic<bool> over{true};
  const auto checkpoints = [&over] {
    creel::checkpoint();
    EXPECT_EQ(loop_until(over), 0u);  // passes the compiler's safe points
  };
  sched::g_attention.fetch_add(1);  // else safe points do not look further
  checkpoints();                    // without a runtime
  run_with(1, [&checkpoints] {
    std::thread(checkpoints).join();  // beside a runtime
    creel::blocking(checkpoints);     // on a worker whose fiber must stay
  });
  sched::g_attention.fetch_sub(1);
  EXPECT_EQ(sched::g_attention.load(), 0u);
}

// --- blocking

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  char read_one() const {
    char c = 0;
    while (::read(ends[0], &c, 1) < 0 && errno == EINTR) {
    }
    return c;
  }
  void write_one(char c) const { EXPECT_EQ(::write(ends[1], &c, 1), 1); }
  int ends[2];
};

TEST_P(Schedule, OthersRunWhileAFiberIsInABlockingCall) {
  run([] {
    const Pipe pipe;
    std::atomic<bool> inside{false};
    auto reader = creel::spawn([&] {
      return creel::blocking([&] {
        inside.store(true);
        return pipe.read_one();
      });
    });
    await([&inside] { return inside.load(); });
    pipe.write_one('x');
    EXPECT_EQ(reader.join(), 'x');
  });
}

TEST_P(Schedule, BlockingGivesValuesExceptionsAndErrno) {
  run([] {
    EXPECT_EQ(creel::blocking([] { return 5; }), 5);
    int target = 0;
    EXPECT_EQ(&creel::blocking([&]() -> int& { return target; }), &target);
    EXPECT_THROW(creel::blocking([] { throw std::runtime_error("inside"); }), std::runtime_error);
    EXPECT_EQ(creel::blocking([] { return creel::blocking([] { return 6; }); }), 6);
    EXPECT_THROW(creel::blocking([] { creel::blocking([] { throw 1; }); }), int);
    creel::yield();  // usable again after each of them
  });
}

// As a fiber that may change threads must use errno: its address is a thread's, and the compiler keeps it across calls.
__attribute__((noinline)) void set_errno(int value) {
  asm volatile("");
  errno = value;
}
__attribute__((noinline)) int get_errno() {
  asm volatile("");
  return errno;
}

TEST_P(Schedule, ErrnoSurvivesALongBlockingCall) {
  run([] {
    const Pipe pipe;
    const Pipe back;
    std::atomic<bool> inside{false};
    auto caller = creel::spawn([&] {
      creel::blocking([&] {
        inside.store(true);
        pipe.read_one();
        set_errno(ENOTTY);
      });
      return get_errno();
    });
    await([&inside] { return inside.load(); });
    // Keeps the processor that was the caller's, for longer than the caller's call lasts.
    pipe.write_one('x');
    for (int i = 0; i < 1000; ++i) {
      set_errno(EDOM);
      creel::yield();
    }
    EXPECT_EQ(caller.join(), ENOTTY);
  });
  EXPECT_EQ(creel::blocking([] { return 8; }), 8);  // outside a fiber: just a call
}

TEST_P(Schedule, AHundredFibersBlockAtOnce) {
  run([] {
    const Pipe pipe;
    std::atomic<int> inside{0};
    std::atomic<int> ended{0};
    creel::WaitGroup group;
    for (int i = 0; i < 100; ++i) {
      group.go([&] {
        creel::blocking([&] {
          inside.fetch_add(1);
          pipe.read_one();
        });
        ended.fetch_add(1);
      });
    }
    await([&inside] { return inside.load() == 100; });
    EXPECT_EQ(ended.load(), 0);
    for (int i = 0; i < 100; ++i) pipe.write_one('x');
    group.wait();
    EXPECT_EQ(ended.load(), 100);
  });
}

TEST_P(Schedule, ShortBlockingCallsAndYieldsInterleave) {
  run([] {
    creel::WaitGroup group;
    std::atomic<int> calls{0};
    for (int i = 0; i < 8; ++i) {
      group.go([&calls, i] {
        for (int k = 0; k < 200; ++k) {
          creel::blocking([&] {
            calls.fetch_add(1, std::memory_order_relaxed);
            if ((k + i) % 50 == 0) ::usleep(300);
          });
          if (k % 4 == 0) creel::yield();
        }
      });
    }
    group.wait();
    EXPECT_EQ(calls.load(), 1600);
  });
}

// --- set_procs

TEST_P(Schedule, TheNumberOfProcessorsChangesWhileFibersWork) {
  run([] {
    const std::uint32_t original = creel::procs();
    EXPECT_THROW(creel::set_procs(0), std::invalid_argument);
    EXPECT_THROW(creel::set_procs(1025), std::invalid_argument);
    EXPECT_EQ(creel::procs(), original);
    std::atomic<bool> end{false};
    std::atomic<std::uint64_t> slept{0};
    creel::WaitGroup group;
    for (int i = 0; i < 6; ++i) {
      group.go([&] {
        while (!end.load(std::memory_order_relaxed)) creel::yield();
      });
      group.go([&] {
        while (!end.load(std::memory_order_relaxed)) {
          creel::sleep_for(200us);
          slept.fetch_add(1);
        }
      });
      group.go([&] {
        while (!end.load(std::memory_order_relaxed)) {
          creel::blocking([] { ::usleep(100); });
          creel::yield();
        }
      });
    }
    std::uint32_t before = original;
    for (int round = 0; round < 5; ++round) {
      for (const std::uint32_t count : {8u, 1u, 3u, 2u, 5u, 1u, 16u}) {
        EXPECT_EQ(creel::set_procs(count), before);
        EXPECT_EQ(creel::procs(), count);
        before = count;
        const std::uint64_t seen = slept.load();
        await([&] { return slept.load() > seen; });  // timers go on wherever they are now
      }
    }
    end.store(true);
    group.wait();
  });
}

TEST_P(Schedule, TimersOfAProcessorThatGoesAwayStillFire) {
  run([] {
    creel::set_procs(8);
    creel::WaitGroup group;
    for (int i = 0; i < 200; ++i) group.go([i] { creel::sleep_for(std::chrono::microseconds(5000 + i * 50)); });
    for (int i = 0; i < 20; ++i) creel::yield();
    creel::set_procs(1);
    group.wait();
  });
}

// --- exceptions

struct Parks {
  ~Parks() {
    EXPECT_EQ(std::uncaught_exceptions(), 1);
    for (int i = 0; i < 3; ++i) creel::yield();
    creel::sleep_for(100us);
    EXPECT_EQ(std::uncaught_exceptions(), 1);
  }
};

TEST_P(Schedule, ExceptionStateBelongsToTheFiber) {
  run([] {
    creel::WaitGroup group;
    for (int i = 0; i < 20; ++i) {
      group.go([i] {
        for (int round = 0; round < 10; ++round) {
          EXPECT_EQ(std::uncaught_exceptions(), 0);
          EXPECT_EQ(std::current_exception(), nullptr);
          try {
            try {
              const Parks parks;
              throw i;  // NOLINT
            } catch (int outer) {
              EXPECT_EQ(outer, i);
              creel::yield();  // parks inside a handler
              try {
                throw std::to_string(i);
              } catch (const std::string& inner) {
                creel::sleep_for(50us);
                EXPECT_EQ(inner, std::to_string(i));
              }
              creel::yield();
              throw;  // the outer one
            }
          } catch (int again) {
            EXPECT_EQ(again, i);
            EXPECT_NE(std::current_exception(), nullptr);
          }
        }
      });
    }
    group.wait();
  });
}

TEST_P(Schedule, AnExceptionPointerMayBeRethrownOnAnotherFiber) {
  run([] {
    std::exception_ptr error;
    creel::spawn([&error] {
      try {
        throw std::runtime_error("carried");
      } catch (...) {
        creel::yield();
        error = std::current_exception();
      }
    }).join();
    EXPECT_THROW(std::rethrow_exception(error), std::runtime_error);
  });
}

}  // namespace
}  // namespace creel::test
