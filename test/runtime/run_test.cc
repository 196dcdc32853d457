// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/runtime/run.h"

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

class Run : public RuntimeTest {};
INSTANTIATE_RUNTIME_TEST(Run);

TEST_P(Run, ReturnsWhatMainReturns) {
  EXPECT_EQ(run_with(GetParam(), [] { return 42; }), 42);
  EXPECT_EQ(run_with(GetParam(), [] {}), 0);
  EXPECT_EQ(run_with(GetParam(), [] { return std::string("no int"); }), 0);
}

TEST_P(Run, RethrowsWhatMainThrowsAndWorksAgain) {
  for (int i = 0; i < 3; ++i) {
    try {
      run_with(GetParam(), [] {
        creel::yield();
        throw std::runtime_error("from main");
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "from main");
    }
  }
  EXPECT_EQ(run_with(GetParam(), [] { return 7; }), 7);
}

TEST_P(Run, CanBeRepeatedManyTimes) {
  int total = 0;
  for (int i = 0; i < 100; ++i) {
    total += run_with(GetParam(), [] {
      creel::WaitGroup group;
      std::atomic<int> count{0};
      for (int k = 0; k < 10; ++k) group.go([&count] { count.fetch_add(1, std::memory_order_relaxed); });
      group.wait();
      return count.load();
    });
  }
  EXPECT_EQ(total, 1000);
}

TEST_P(Run, AbandonsFibersThatAreParkedSleepingOrQueued) {
  static std::atomic<int> resumed{0};
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(run_with(GetParam(),
                       [] {
                         static creel::Semaphore never(0);
                         std::atomic<int> begun{0};
                         for (int k = 0; k < 5; ++k) {
                           creel::go([&begun] {
                             begun.fetch_add(1);
                             creel::sleep_for(1h);
                             resumed.fetch_add(1);
                           });
                         }
                         await([&begun] { return begun.load() == 5; });
                         return 5;
                       }),
              5);
  }
  EXPECT_EQ(resumed.load(), 0);
}

TEST_P(Run, HasIdsAndProcessors) {
  EXPECT_EQ(creel::procs(), 0u);
  EXPECT_EQ(creel::this_fiber::id(), 0u);
  EXPECT_EQ(creel::this_fiber::name(), "");
  EXPECT_EQ(creel::dump(), "");
  run([this] {
    EXPECT_EQ(creel::procs(), static_cast<std::uint32_t>(std::abs(GetParam())));
    EXPECT_NE(creel::this_fiber::id(), 0u);
    EXPECT_NE(creel::dump().find("[running]"), std::string::npos);
  });
  EXPECT_EQ(creel::procs(), 0u);
}

// --- Options and environment

class Environment : public DeathTest {};

// Runs with one variable set, in a child that leaves with run()'s result.
[[noreturn]] void run_and_exit(const char* variable, const char* value, creel::Options options = {}) {
  for (const char* name : {"CREEL_PROCS", "CREEL_STACK_SIZE", "CREEL_LOG", "CREEL_TRACE"}) unsetenv(name);
  if (variable != nullptr) setenv(variable, value, 1);
  std::_Exit(creel::run(options, [] { return 77; }));
}

TEST_F(Environment, NamesVariableValueAndWhatIsAccepted) {
  for (const char* bad : {"0", "-1", "1025", "two", "4x", "1.5", "99999999999999999999", "2K"}) {
    EXPECT_EXIT(run_and_exit("CREEL_PROCS", bad), testing::ExitedWithCode(1),
                std::string("creel: CREEL_PROCS=") + bad + " .*1 to 1024");
  }
  for (const char* bad : {"1", "16383", "67108865", "big", "-65536", "1G", "18446744073709551615K"}) {
    EXPECT_EXIT(run_and_exit("CREEL_STACK_SIZE", bad), testing::ExitedWithCode(1),
                std::string("creel: CREEL_STACK_SIZE=") + bad + " .*16384 to 67108864");
  }
  EXPECT_EXIT(run_and_exit("CREEL_LOG", "loud"), testing::ExitedWithCode(1),
              "creel: CREEL_LOG=loud .*trace, debug, info, warning, error, critical, off");
  EXPECT_EXIT(run_and_exit("CREEL_TRACE", "/nonexistent/t"), testing::ExitedWithCode(1),
              "creel: cannot trace: .*/nonexistent/t");
}

TEST_F(Environment, AcceptsGoodValues) {
  for (const char* good : {"1", "3", "1024"}) {
    EXPECT_EXIT(run_and_exit("CREEL_PROCS", good), testing::ExitedWithCode(77), "");
  }
  for (const char* good : {"16384", "64K", "1M", "64M", ""}) {
    EXPECT_EXIT(run_and_exit("CREEL_STACK_SIZE", good), testing::ExitedWithCode(77), "");
  }
  EXPECT_EXIT(run_and_exit("CREEL_LOG", "off"), testing::ExitedWithCode(77), "");
}

TEST_F(Environment, NamesTheFieldOfBadOptions) {
  EXPECT_EXIT(run_and_exit(nullptr, nullptr, {.procs = 5000}), testing::ExitedWithCode(1), "Options::procs=5000");
  EXPECT_EXIT(run_and_exit(nullptr, nullptr, {.stack_size = 3}), testing::ExitedWithCode(1), "Options::stack_size=3");
  EXPECT_EXIT(run_and_exit(nullptr, nullptr, {.log_level = "loud"}), testing::ExitedWithCode(1),
              "Options::log_level=loud");
}

TEST_F(Environment, OptionsWinOverVariables) {
  EXPECT_EXIT(
      {
        setenv("CREEL_PROCS", "3", 1);
        const int from_variable = creel::run([] { return static_cast<int>(creel::procs()); });
        const int from_field = creel::run({.procs = 2}, [] { return static_cast<int>(creel::procs()); });
        std::_Exit(from_variable * 10 + from_field);
      },
      testing::ExitedWithCode(32), "");
}

// --- Misuse

class Misuse : public DeathTest {};

TEST_F(Misuse, NestedRunEndsTheProcess) {
  EXPECT_DEATH(creel::run([] { creel::run([] {}); }), "creel::run\\(\\) while a runtime is running: there is one per process");
}

TEST_F(Misuse, CallsOutsideRunAreNamed) {
  EXPECT_DEATH(creel::go([] {}), "creel::go\\(\\) was called outside a fiber: it works inside creel::run\\(\\) only");
  EXPECT_DEATH(static_cast<void>(creel::spawn([] {})), "creel::spawn\\(\\) was called outside a fiber");
  EXPECT_DEATH(creel::yield(), "creel::yield\\(\\) was called outside a fiber");
  EXPECT_DEATH(creel::sleep_for(1ms), "creel::sleep_for\\(\\) or sleep_until\\(\\) was called outside a fiber");
  EXPECT_DEATH(creel::set_procs(2), "creel::set_procs\\(\\) was called outside a fiber");
  EXPECT_DEATH(creel::PinScope(), "creel::PinScope was called outside a fiber");
}

TEST_F(Misuse, CallsFromAnotherThreadAreNamed) {
  EXPECT_DEATH(creel::run([] { std::thread([] { creel::set_procs(1); }).join(); }),
               "creel::set_procs\\(\\) was called on a thread that creel did not start: it needs a fiber, see creel::run_on");
}

TEST_F(Misuse, CallsInsideBlockingAreNamed) {
  EXPECT_DEATH(creel::run([] { creel::blocking([] { creel::yield(); }); }),
               "creel::yield\\(\\) was called inside creel::blocking\\(\\)");
  EXPECT_DEATH(creel::run([] { creel::blocking([] { creel::go([] {}); }); }),
               "creel::go\\(\\) was called inside creel::blocking\\(\\)");
}

TEST_F(Misuse, AFiberMustNotEndPinned) {
  EXPECT_DEATH(creel::run([] {
                 auto* leaked = new creel::PinScope;
                 static_cast<void>(leaked);
                 creel::spawn([] { new creel::PinScope; }).join();
               }),
               "a fiber ended inside a PinScope");
}

// --- Reports

class Report : public DeathTest {};

TEST_F(Report, DeadlockNamesStatesAndCreationSites) {
  const auto deadlock = [] {
    creel::Semaphore never(0);
    creel::Mutex mutex;
    mutex.lock();
    creel::go({.name = "waiter"}, [&mutex] { mutex.lock(); });
    never.acquire();
  };
  for (const std::uint32_t procs : {1u, 2u, 4u}) {
    EXPECT_EXIT(creel::run({.procs = procs}, deadlock), testing::ExitedWithCode(2), "all fibers are asleep - deadlock!");
    EXPECT_EXIT(creel::run({.procs = procs}, deadlock), testing::ExitedWithCode(2),
                "fiber [0-9]+ \"waiter\" \\[sync\\][^[]*created by fiber [0-9]+ in [^[]*run_test.cc:");
  }
}

TEST_F(Report, DeadlockIsFoundAfterBlockingCallsAndSleepsHaveEnded) {
  EXPECT_EXIT(creel::run({.procs = 2},
                         [] {
                           creel::WaitGroup group;
                           group.add(1);  // nobody calls done() for it
                           group.go([] { creel::sleep_for(20ms); });
                           group.go([] { creel::blocking([] { std::this_thread::sleep_for(20ms); }); });
                           group.wait();
                         }),
              testing::ExitedWithCode(2), "all fibers are asleep - deadlock!");
}

TEST_P(Run, SleepersAndBlockingCallsAreNoDeadlock) {
  run([] {
    creel::spawn([] { creel::sleep_for(30ms); }).join();
    creel::spawn([] { creel::blocking([] { std::this_thread::sleep_for(30ms); }); }).join();
  });
}

struct Unlucky : std::runtime_error {
  using std::runtime_error::runtime_error;
};

__attribute__((noinline)) void throw_unlucky() {
  throw Unlucky("out of luck");
}

TEST_F(Report, UncaughtExceptionNamesTypeMessageFiberAndThrower) {
  const auto body = [] {
    creel::go({.name = "thrower"}, [] {
      creel::yield();
      throw_unlucky();
    });
    creel::Semaphore(0).acquire();
  };
  EXPECT_EXIT(creel::run(body), testing::KilledBySignal(SIGABRT),
              "creel: fatal error: uncaught exception .*Unlucky: out of luck");
  EXPECT_EXIT(creel::run(body), testing::KilledBySignal(SIGABRT),
              "fiber [0-9]+ \"thrower\" \\[running\\]:[^[]*throw_unlucky[^[]*created by fiber [0-9]+ in ");
  EXPECT_EXIT(creel::run([] {
                creel::go([] { throw 3; });
                creel::Semaphore(0).acquire();
              }),
              testing::KilledBySignal(SIGABRT), "uncaught exception int");
}

std::atomic<bool> reporting{false};
std::atomic<bool> main_ended{false};

// Its report takes longer than run() waits for its workers, and comes by a safe point, where a fiber stops for good then.
class Slow : public std::exception {
 public:
  [[nodiscard]] const char* what() const noexcept override {
    reporting = true;
    while (!main_ended) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    creel::checkpoint();
    return "slow to tell";
  }
};

// run() returned, and main() with status 0, before the report was out.
TEST_F(Report, UncaughtExceptionIsReportedThoughMainEnds) {
  const auto body = [] {
    const int status = creel::run({.procs = 2}, [] {
      creel::go([] { throw Slow(); });
      while (!reporting) creel::yield();
      main_ended = true;
    });
    std::_Exit(status);
  };
  EXPECT_EXIT(body(), testing::KilledBySignal(SIGABRT), "uncaught exception .*Slow: slow to tell");
}

volatile int enough = -1;  // never reached

__attribute__((noinline)) int recurse(int depth) {
  if (depth == enough) return 0;
  volatile char frame[512];
  frame[depth % 512] = 1;
  return recurse(depth + 1) + frame[depth % 512];
}

TEST_F(Report, StackOverflowNamesTheFiberAndItsSite) {
  EXPECT_DEATH(creel::run([] {
                 creel::spawn({.name = "deep", .stack_size = 64 << 10}, [] { recurse(0); }).join();
               }),
               "stack overflow: fiber [0-9]+ \\(deep\\) exceeded its stack of [0-9]+ bytes \\(created at .*run_test.cc:");
}

#if !defined(CREEL_ASAN) && !defined(CREEL_TSAN)  // there, reading the debug information may take longer than is waited for
TEST_F(Report, StackOverflowNamesItsFrames) {
  EXPECT_DEATH(creel::run([] {
                 creel::spawn({.stack_size = 64 << 10}, [] { recurse(0); }).join();
               }),
               "CREEL_STACK_SIZE\n    [^\n]*recurse\n[^\n]*run_test.cc:[0-9]+\n.*    \\.\\.\\. [0-9]+ frames\n.*recurse\n.*run_test.cc:");
}
#endif

__attribute__((noinline)) int large_frame() {
  volatile char frame[1 << 20];
  asm volatile("" : : "r"(&frame[0]) : "memory");  // all of it, whatever is used
  frame[0] = 1;
  return frame[0];
}

// The first write is far below the guard; the compiler touches each page on the way (-fstack-clash-protection).
TEST_F(Report, FrameLargerThanTheGuardIsAStackOverflow) {
  EXPECT_DEATH(creel::run([] { creel::spawn({.stack_size = 64 << 10}, [] { return large_frame(); }).join(); }),
               "stack overflow: fiber [0-9]+ ");
}

#if !defined(CREEL_ASAN) && !defined(CREEL_TSAN)  // the sanitizers need address space of their own
TEST_F(Report, NoAddressSpaceForStacksNamesTheLimit) {
  const auto exhaust = [] {
    const rlimit limit{.rlim_cur = 1ul << 30, .rlim_max = 1ul << 30};
    ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    creel::run({.procs = 1, .stack_size = 1 << 20}, [] {
      creel::Semaphore never(0);
      for (int i = 0; i < 4096; ++i) {
        creel::go([&never] { never.acquire(); });
        creel::yield();
      }
    });
  };
  EXPECT_DEATH(exhaust(), "cannot create a fiber stack: .*RLIMIT_AS allows the process 1073741824 bytes.*ulimit -v");
}
#endif

}  // namespace
}  // namespace creel::test
