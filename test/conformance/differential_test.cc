// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The same small programs in Go and on creel, on one processor, must take the same course: per goroutine the same
// transitions with the same reasons, made by the same others, the same annotations, and the same order of running.
//
// Go itself does not always take the same course: its scheduler prefers the global queue every 61st turn, so a yielding
// goroutine may come back early. Hence a set of courses: all that Go takes in some hundred rounds, begun at random
// turns. Each of creel's rounds must be one of them, and the most frequent course must be the same.
//
// A round in which the kernel stole the CPU shows it by a stop "preempted", or a syscall whose processor was taken
// away, in a scenario that has none. Such a round says nothing and is left out; most rounds must be free of it.

#include <creel/creel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "test/conformance/scenarios_util.h"
#include "test/support/go_trace.h"
#include "test/support/trace_normaliser.h"

namespace creel::test {

void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

namespace {

// How often each course was taken.
struct Courses {
  std::map<std::string, int> count;
  int rounds = 0;
  int disturbed = 0;

  [[nodiscard]] const std::string& most_frequent() const {
    return std::ranges::max_element(count, {}, [](const auto& entry) { return entry.second; })->first;
  }
};

void read_courses(const std::string& path, const Scenario& scenario, Courses& courses) {
  Normaliser normaliser({.collapse_preemptions = scenario.name.starts_with("preempt"),
                         .leave_out_order = scenario.any_order,
                         .leave_out_syscalls = scenario.any_syscalls});
  const ReadResult result = read_trace(path, [&](const Event& event) { normaliser.event(event); });
  ASSERT_TRUE(result.accepted()) << path << ": rejected by Go's reader: " << result.error;
  for (const Window& window : normaliser.take()) {
    ASSERT_EQ(window.name, scenario.name);
    ASSERT_TRUE(window.complete) << path << ": a round without an end";
    ++courses.rounds;
    if ((window.preemptions > 0 && !scenario.may_preempt) ||
        (window.lost_processors > 0 && !scenario.loses_processor)) {
      ++courses.disturbed;
    } else {
      ++courses.count[window.text];
    }
  }
}

// Fewer rounds for those that take milliseconds. Even 400 miss one of the 61 turns only once in some hundred times.
bool sleeps(const Scenario& scenario) {
  const std::set<std::string_view> sleeping = {"sleep",          "sleep_order", "mutex_starved", "once_waits",
                                               "select_timeout", "timer_func",  "net_deadline",
                                               "pipe_deadline"};
  return sleeping.contains(scenario.name);
}

class Differential : public testing::TestWithParam<Scenario> {};

TEST_P(Differential, TakesACourseOfGo) {
  CREEL_REQUIRE_GO_TRACE();
  ASSERT_TRUE(find_go().has_value());
  const Scenario& scenario = GetParam();
  const std::string directory = test_directory();

  Courses go_courses;
  const int go_rounds = scenario.is_long ? 2 : sleeps(scenario) ? 400 : 1000;
  const std::string go_path = directory + "/go.trace";
  const CommandResult go_run = run_command({build_go_program(CREEL_CONFORMANCE_GO_DIR), "-out", go_path, "-only",
                                            std::string(scenario.name), "-rounds", std::to_string(go_rounds)});
  ASSERT_EQ(go_run.exit_status, 0) << go_run.stderr_text;
  ASSERT_NO_FATAL_FAILURE(read_courses(go_path, scenario, go_courses));
  ASSERT_EQ(go_courses.rounds, go_rounds);
  ASSERT_FALSE(go_courses.count.empty()) << "every round of Go was disturbed";

  Courses courses;
  const int rounds = scenario.is_long ? 5 : sleeps(scenario) || scenario.name == "spawn_overflow" ? 60 : 300;
  const std::string path = directory + "/creel.trace";
  Options options;
  options.procs = 1;
  const int status = run(options, [&] {
    trace::Session session = trace::start(path);
    if (scenario.prepare != nullptr) scenario.prepare();
    std::minstd_rand random(1);
    for (int round = 0; round < rounds; ++round) {
      for (unsigned i = random() % 61; i > 0; --i) yield();
      trace::log("begin", scenario.name);
      scenario.run();
      trace::log("end", scenario.name);
    }
    EXPECT_FALSE(session.stop());
  });
  ASSERT_EQ(status, 0);
  ASSERT_NO_FATAL_FAILURE(read_courses(path, scenario, courses));
  ASSERT_EQ(courses.rounds, rounds);
  ASSERT_LT(courses.disturbed * 2, rounds) << "too many rounds were disturbed to tell";

  const std::string& usual = go_courses.most_frequent();
  for (const auto& [text, count] : courses.count) {
    EXPECT_TRUE(go_courses.count.contains(text))
        << count << " of " << rounds << " rounds took a course that Go never takes; against Go's most frequent ("
        << go_courses.count.at(usual) << " of " << go_rounds << "):\n"
        << diff(usual, text) << "Traces: " << path << ", " << go_path;
  }
  // Where the turn decides about everything (spawn_overflow), Go has no usual course.
  if (go_courses.count.at(usual) * 2 > go_rounds) {
    EXPECT_TRUE(usual == courses.most_frequent()) << "the usual courses differ:\n"
                                                  << diff(usual, courses.most_frequent());
  }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Differential, testing::ValuesIn(scenarios().begin(), scenarios().end()),
                         [](const auto& scenario) { return std::string(scenario.param.name); });

// A scenario that exists on one side only compares nothing.
TEST(DifferentialScenarios, AreTheSameOnBothSides) {
  CREEL_REQUIRE_GO_TRACE();
  const CommandResult list = run_command({build_go_program(CREEL_CONFORMANCE_GO_DIR), "-list"});
  std::string ours;
  for (const Scenario& scenario : scenarios()) (ours += scenario.name) += '\n';
  EXPECT_EQ(list.stdout_text, ours) << diff(list.stdout_text, ours);
}

}  // namespace
}  // namespace creel::test
