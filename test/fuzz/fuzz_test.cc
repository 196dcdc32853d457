// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fuzzing over all workers, and what holds for every way: right programs stay right, wrong ones are found, options.

#include <gmock/gmock.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "test/fuzz/loops.h"
#include "test/runtime/fixture.h"
#include "test/support/go_trace.h"

namespace creel::test {
namespace {

using testing::HasSubstr;

template <typename F>
int run_fuzzed(const std::string& fuzz, F&& body, std::uint32_t procs = 4) {
  creel::Options options;
  options.procs = procs;
  options.fuzz = fuzz;
  return creel::run(options, std::forward<F>(body));
}

// Whether an update gets lost: four fibers, each reads, may be stopped, and writes.
bool loses_update(const std::string& fuzz) {
  std::atomic<int> value{0};
  const int status = run_fuzzed(fuzz, [&value] {
    creel::WaitGroup wg;
    for (int k = 0; k < 4; ++k) {
      wg.go([&value] {
        const int before = value.load();
        creel::checkpoint();
        value.store(before + 1);
      });
    }
    wg.wait();
  });
  EXPECT_EQ(status, 0);
  return value.load() != 4;
}

// The first of `count` seeds at which it happens.
template <typename F>
std::optional<std::string> first_of(const std::string& mode, int count, F&& happens) {
  for (int seed = 1; seed <= count; ++seed) {
    const std::string fuzz = mode + std::to_string(seed);
    if (happens(fuzz)) return fuzz;
  }
  return std::nullopt;
}

class Deterministic : public testing::TestWithParam<const char*> {
 private:
  Watchdog watchdog_;
};

INSTANTIATE_TEST_SUITE_P(, Deterministic, testing::Values("deterministic:", "pct:"),
                         [](const auto& mode) { return std::string(mode.param, std::string_view(mode.param).size() - 1); });

TEST_P(Deterministic, FindsALostUpdateAndReplaysIt) {
  const std::optional<std::string> found = first_of(GetParam(), 100, loses_update);
  ASSERT_TRUE(found);
  for (int again = 0; again < 3; ++again) EXPECT_TRUE(loses_update(*found)) << *found;
}

TEST_P(Deterministic, FindsALostUpdateInALoopThatCallsNothing) {
  const auto loses = [](const std::string& fuzz) {
    std::atomic<int> value{0};
    run_fuzzed(fuzz, [&value] {
      creel::WaitGroup wg;
      for (int k = 0; k < 2; ++k) wg.go([&value] { add_by_load_and_store(value, 300, 3); });
      wg.wait();
    });
    return value.load() != 600;
  };
  const std::optional<std::string> found = first_of(GetParam(), 100, loses);
  ASSERT_TRUE(found);
  EXPECT_TRUE(loses(*found)) << *found;
}

TEST_P(Deterministic, SleepsForHoursAtOnce) {
  for (int seed = 0; seed < 5; ++seed) {
    std::vector<int> order;
    creel::Clock::duration passed{};
    run_fuzzed(GetParam() + std::to_string(seed), [&] {
      const auto start = creel::Clock::now();
      creel::Context context = creel::Context::background().with_timeout(20h);
      creel::WaitGroup wg;
      for (int hours : {3, 1, 2}) {
        wg.go([&order, hours] {
          creel::sleep_for(std::chrono::hours(hours));
          order.push_back(hours);
        });
      }
      creel::Channel<int> never;
      EXPECT_FALSE(never.recv_for(10h).has_value());
      EXPECT_FALSE(context.ended());
      wg.wait();
      EXPECT_FALSE(creel::sleep_for(context, 100h));
      EXPECT_TRUE(context.ended());
      passed = creel::Clock::now() - start;
    });
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    EXPECT_GE(passed, 20h);
    EXPECT_LT(passed, 20h + 1s);
  }
}

// A loop that waits for a moment without parking goes on: by yielding at once, by looking at the clock in steps.
TEST_P(Deterministic, TimeGoesOnUnderLoopsThatWait) {
  run_fuzzed(GetParam() + std::string("1"), [] {
    bool done = false;
    creel::WaitGroup wg;
    wg.go([&done] {
      creel::sleep_for(1h);
      done = true;
    });
    wg.go([&done] {
      while (!done) creel::yield();
    });
    while (!done) creel::yield();
    wg.wait();
    const auto until = creel::Clock::now() + 10ms;
    while (creel::Clock::now() < until) {
    }
    bool seen = false;
    wg.go([&seen] {
      creel::sleep_for(100us);
      seen = true;
    });
    while (!seen) creel::checkpoint();
    wg.wait();
  });
}

// Neither the outside's clock nor the number of processors asked for: one processor, whatever happens.
TEST_P(Deterministic, HasOneProcessor) {
  testing::internal::CaptureStderr();
  run_fuzzed(GetParam() + std::string("3"), [] {
    EXPECT_EQ(creel::procs(), 1u);
    EXPECT_EQ(creel::set_procs(4), 1u);
    EXPECT_EQ(creel::procs(), 1u);
    EXPECT_THROW(creel::set_procs(0), std::invalid_argument);
  });
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("set_procs() has no effect"));
}

TEST_P(Deterministic, TellsWhatIsNotReplayed) {
  testing::internal::CaptureStderr();
  const std::string fuzz = GetParam() + std::string("4");
  run_fuzzed(fuzz, [] {
    EXPECT_EQ(creel::blocking([] { return 7; }), 7);
    EXPECT_EQ(creel::blocking([] { return 8; }), 8);
    creel::WaitGroup wg;
    for (int k = 0; k < 3; ++k) {
      wg.go([] {
        creel::PinScope pin;
        creel::yield();
        creel::PinScope again;
        creel::sleep_for(1ms);
      });
    }
    wg.wait();
    auto listener = creel::net::TcpListener::bind("127.0.0.1:0");
    wg.go([&listener] {
      creel::net::TcpStream stream = listener.accept();
      std::string byte(1, ' ');
      EXPECT_EQ(stream.read_some(byte), 1u);
    });
    creel::net::TcpStream stream = creel::net::TcpStream::connect(listener.local_address());
    creel::sleep_for(1ms);
    stream.write_all(std::string("x"));
    wg.wait();
  });
  const std::string said = testing::internal::GetCapturedStderr();
  for (const char* what : {"creel::blocking() runs inline", "PinScope does not keep", "fibers wait for descriptors"}) {
    EXPECT_EQ(said.find(what), said.rfind(what)) << "once a run: " << said;
    EXPECT_THAT(said, HasSubstr("CREEL_FUZZ=" + fuzz + ": " + what));
  }
}

// A right program is right under every seed and every way.
class Fuzzed : public testing::TestWithParam<const char*> {
 private:
  Watchdog watchdog_;
};

INSTANTIATE_TEST_SUITE_P(, Fuzzed, testing::Values("", "deterministic:", "pct:"), [](const auto& mode) {
  const std::string name = mode.param;
  return name.empty() ? "threads" : name.substr(0, name.size() - 1);
});

TEST_P(Fuzzed, RightProgramsStayRight) {
  for (int seed = 0; seed < 6; ++seed) {
    const std::string fuzz = GetParam() + std::to_string(seed);
    SCOPED_TRACE(fuzz);
    long sum = 0;
    const int status = run_fuzzed(fuzz, [&sum] {
      creel::Channel<int> numbers(3);
      creel::Mutex mutex;
      creel::WaitGroup wg;
      for (int k = 0; k < 8; ++k) {
        wg.go([&numbers, k] {
          for (int i = 0; i < 50; ++i) numbers.send(k * 50 + i);
        });
      }
      creel::WaitGroup readers;
      for (int k = 0; k < 5; ++k) {
        readers.go([&] {
          while (const std::optional<int> number = numbers.recv()) {
            std::lock_guard lock(mutex);
            const long before = sum;
            creel::checkpoint();
            sum = before + *number;
          }
        });
      }
      std::set<int> joined;
      for (int k = 0; k < 20; ++k) {
        joined.insert(creel::spawn([k] {
                        if (k % 3 == 0) creel::sleep_for(10us);
                        if (k % 4 == 0) creel::yield();
                        return k;
                      }).join());
      }
      EXPECT_EQ(joined.size(), 20u);
      wg.wait();
      numbers.close();
      readers.wait();
    });
    EXPECT_EQ(status, 0);
    EXPECT_EQ(sum, 400 * 399 / 2);
  }
}

TEST_P(Fuzzed, TracesAreAccepted) {
  CREEL_REQUIRE_GO_TRACE();
  for (int seed = 1; seed <= 3; ++seed) {
    const std::string fuzz = GetParam() + std::to_string(seed);
    const std::string path = test_directory() + "/" + std::to_string(seed) + ".trace";
    const CommandResult result =
        run_command({CREEL_FUZZ_PROGRAM, "mixed"}, {"CREEL_FUZZ=" + fuzz, "CREEL_TRACE=" + path, "CREEL_PROCS=3"});
    ASSERT_EQ(result.exit_status, 0) << fuzz << result.stderr_text;
    EXPECT_TRUE(trace_accepted(path, 100)) << fuzz;
  }
}

// With several processors, too, the way is no longer the usual one.
TEST(FuzzedThreads, TakesOtherWaysThanTheUsual) {
  Watchdog watchdog;
  const auto course = [](const std::string& fuzz) {
    std::string order;
    run_fuzzed(
        fuzz,
        [&order] {
          creel::WaitGroup wg;
          for (char name = 'a'; name < 'i'; ++name) {
            wg.go([&order, name] {
              for (int i = 0; i < 4; ++i) {
                order += name;
                creel::checkpoint();
              }
            });
          }
          wg.wait();
        },
        1);
    return order;
  };
  const std::string usual = course("off");
  std::set<std::string> courses;
  for (int seed = 0; seed < 5; ++seed) courses.insert(course(std::to_string(seed)));
  EXPECT_FALSE(courses.contains(usual));
  EXPECT_GT(courses.size(), 1u);
}

// --- A worker that does not come back keeps its scheduler, but not the next run's clock

class FuzzAbandoned : public DeathTest {};

[[noreturn]] void run_after_a_worker_was_given_up() {
  static std::atomic<bool> release{false};
  const auto real = [] {
    const auto before = std::chrono::steady_clock::now();
    const auto now = creel::Clock::now();
    return before <= now && now <= std::chrono::steady_clock::now();
  };
  run_fuzzed("0", [] {
    std::atomic<bool> runs{false};
    creel::go([&runs] {
      runs = true;
      creel::blocking([] {
        while (!release) std::this_thread::yield();
      });
    });
    while (!runs) creel::yield();
  });
  bool good = real();
  good = run_fuzzed("deterministic:1", [] { creel::sleep_for(1h); }) == 0 && good;
  good = real() && good;
  good = run_fuzzed("off", [] { creel::sleep_for(1ms); }) == 0 && good;
  release = true;
  std::_Exit(good ? 0 : 1);  // no exit handlers, no leak check: the old scheduler is left behind on purpose
}

TEST_F(FuzzAbandoned, LeavesTheClockAsItWas) {
  EXPECT_EXIT(run_after_a_worker_was_given_up(), testing::ExitedWithCode(0), "");
}

// --- Options

class FuzzOption : public DeathTest {};

[[noreturn]] void run_and_exit(const char* variable, creel::Options options = {}) {
  for (const char* name : {"CREEL_PROCS", "CREEL_STACK_SIZE", "CREEL_LOG", "CREEL_TRACE"}) unsetenv(name);
  setenv("CREEL_FUZZ", variable, 1);
  std::_Exit(creel::run(options, [] { return 77; }));
}

TEST_F(FuzzOption, NamesVariableValueAndWhatIsAccepted) {
  for (const char* bad : {"on", "-1", "1.5", "7x", "18446744073709551616", "deterministic", "deterministic:", "pct:x",
                          "Deterministic:1", "random:1", "deterministic: 1"}) {
    EXPECT_EXIT(run_and_exit(bad), testing::ExitedWithCode(1),
                std::string("creel: CREEL_FUZZ=") + bad + " is not accepted.*deterministic:SEED, pct:SEED or off");
  }
  creel::Options options;
  options.fuzz = "often";
  EXPECT_EXIT(run_and_exit("1", options), testing::ExitedWithCode(1), "creel: Options::fuzz=often is not accepted");
  for (const char* good : {"0", "off", "18446744073709551615", "deterministic:0", "pct:12"}) {
    EXPECT_EXIT(run_and_exit(good), testing::ExitedWithCode(77), "^$");
  }
}

}  // namespace
}  // namespace creel::test
