// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Durations and deadlines that mean "for ever".

#include <cstdlib>
#include <string>
#include <thread>

#include "test/runtime/fixture.h"
#include "test/support/go_trace.h"
#include "test/support/trace_summary.h"

namespace creel::test {
namespace {

constexpr auto kForEver = std::chrono::nanoseconds::max();

// A trace of 300 ms with `options`.
void expect_one_good_trace(const creel::trace::Options& options) {
  CREEL_REQUIRE_GO_TRACE();
  const Watchdog watchdog;
  const std::string path = test_directory() + "/trace";
  run_with(2, [&] {
    creel::trace::Session session = creel::trace::start(path, options);
    for (int i = 0; i < 30; ++i) creel::sleep_for(10ms);
    const std::error_code error = session.stop();
    EXPECT_FALSE(error) << error.message();
  });
  ReadResult result;
  const TraceSummary summary = summarise_trace(path, result);
  EXPECT_TRUE(result.accepted()) << result.error;
  EXPECT_GE(summary.transitions(State::kWaiting, State::kRunnable), 30u);
  EXPECT_GE(summary.generations, 1u);
  EXPECT_LE(summary.generations, 2u) << "the period is far longer than the trace";
}

TEST(ForEver, TracePeriod) { expect_one_good_trace({.period = kForEver}); }

TEST(ForEver, TraceDrainTimeout) { expect_one_good_trace({.drain_timeout = kForEver}); }

// A main fiber that sleeps for ever is no deadlock, as in Go: its timer is pending.
class ForEverDeathTest : public DeathTest {};

// Runs `body` and leaves with 77 once the main fiber has slept for 200 ms. A deadlock is reported as soon as it falls
// asleep: the process ends with 2 then.
template <typename F>
[[noreturn]] void sleep_on_main(F body) {
  std::thread([] {
    while (creel::dump().find("[sleep") == std::string::npos) std::this_thread::yield();
    std::this_thread::sleep_for(200ms);
    std::_Exit(77);
  }).detach();
  creel::run({.procs = 2}, body);
  std::_Exit(78);  // woke up
}

TEST_F(ForEverDeathTest, SleepOnMainIsNoDeadlock) {
  EXPECT_EXIT(sleep_on_main([] { creel::sleep_for(kForEver); }), testing::ExitedWithCode(77), "");
  EXPECT_EXIT(sleep_on_main([] { creel::sleep_until(std::chrono::steady_clock::time_point::max()); }),
              testing::ExitedWithCode(77), "");
  EXPECT_EXIT(sleep_on_main([] { creel::sleep_until(std::chrono::system_clock::time_point::max()); }),
              testing::ExitedWithCode(77), "");
}

}  // namespace
}  // namespace creel::test
