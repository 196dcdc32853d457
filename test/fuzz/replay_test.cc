// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A seed determines the course: whole programs, run twice in processes of their own, and their traces event by event.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "test/support/go_trace.h"
#include "test/support/trace_event.h"

namespace creel::test {
namespace {

using testing::HasSubstr;

CommandResult run_program(const std::string& mode, const std::string& fuzz, const std::string& trace = {}) {
  // `timeout` ends a program that hangs.
  std::vector<std::string> environment = {"CREEL_FUZZ=" + fuzz};
  if (!trace.empty()) environment.push_back("CREEL_TRACE=" + trace);
  return run_command({"timeout", "--signal=QUIT", "--kill-after=5", "60", CREEL_FUZZ_PROGRAM, mode}, environment);
}

std::string text_of(const std::vector<Frame>& stack) {
  std::string text;
  for (const Frame& frame : stack) text += " " + frame.function + ":" + std::to_string(frame.line);
  return text;
}

// Every event but its time; threads are numbered by their first appearance, as their ids are the kernel's. Syncs, the number
// of processors, and states told once more are left out: they come once a second of real time.
std::vector<std::string> course_of(const std::string& path) {
  std::vector<std::string> course;
  std::map<std::int64_t, int> threads;
  for (const Event& event : load_trace(path)) {
    if (event.kind == EventKind::kSync || event.kind == EventKind::kMetric) continue;
    if (event.kind == EventKind::kStateTransition && event.from == event.to) continue;
    const auto thread = [&threads](std::int64_t id) {
      return id < 0 ? -1 : threads.try_emplace(id, static_cast<int>(threads.size())).first->second;
    };
    const std::int64_t id = event.resource == ResourceKind::kThread ? thread(event.id) : event.id;
    course.push_back("M" + std::to_string(thread(event.m)) + " P" + std::to_string(event.p) + " G" +
                     std::to_string(event.g) + " " + std::string(to_string(event.kind)) + " " + std::to_string(id) + " " +
                     std::string(to_string(event.from)) + "->" + std::string(to_string(event.to)) + " " + event.reason + " " +
                     event.name + " " + event.message + " " + std::to_string(event.task) + " |" + text_of(event.stack) +
                     " |" + text_of(event.transition_stack));
  }
  return course;
}

class Replay : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(, Replay, testing::Values("deterministic:", "pct:"),
                         [](const auto& mode) { return std::string(mode.param, std::string_view(mode.param).size() - 1); });

TEST_P(Replay, TracesOfOneSeedAreEqualEventByEvent) {
  CREEL_REQUIRE_GO_TRACE();
  std::set<std::vector<std::string>> different;
  for (int seed = 1; seed <= 4; ++seed) {
    const std::string fuzz = GetParam() + std::to_string(seed);
    std::vector<std::vector<std::string>> courses;
    std::vector<std::string> outputs;
    for (int run = 0; run < 2; ++run) {
      const std::string path = test_directory() + "/" + std::to_string(seed) + "-" + std::to_string(run) + ".trace";
      const CommandResult result = run_program("mixed", fuzz, path);
      ASSERT_EQ(result.exit_status, 0) << fuzz << result.stderr_text;
      outputs.push_back(result.stdout_text);
      courses.push_back(course_of(path));
      EXPECT_GT(courses.back().size(), 500u);
    }
    EXPECT_EQ(outputs[0], outputs[1]) << fuzz << ": what is printed has the times in it, too";
    const auto [first, second] = std::ranges::mismatch(courses[0], courses[1]);
    EXPECT_TRUE(first == courses[0].end() && second == courses[1].end())
        << fuzz << ", event " << first - courses[0].begin() << " of " << courses[0].size() << ":\n"
        << (first == courses[0].end() ? "(end)" : *first) << "\n"
        << (second == courses[1].end() ? "(end)" : *second);
    different.insert(courses[0]);
  }
  EXPECT_EQ(different.size(), 4u) << "other seeds take other courses";
}

// Tracing a seed that failed shows the failure.
TEST_P(Replay, TakesTheSameCourseWithAndWithoutATrace) {
  for (int seed = 5; seed <= 8; ++seed) {
    const std::string fuzz = GetParam() + std::to_string(seed);
    const CommandResult traced = run_program("mixed", fuzz, test_directory() + "/" + std::to_string(seed) + ".trace");
    const CommandResult untraced = run_program("mixed", fuzz);
    EXPECT_EQ(traced.exit_status, 0) << traced.stderr_text;
    EXPECT_EQ(traced.stdout_text, untraced.stdout_text) << fuzz;
  }
}

TEST_P(Replay, FindsADeadlockOfTwoMutexesAndReplaysIt) {
  std::string found;
  for (int seed = 1; seed <= 100 && found.empty(); ++seed) {
    const std::string fuzz = GetParam() + std::to_string(seed);
    const CommandResult result = run_program("deadlock", fuzz);
    ASSERT_TRUE(result.exit_status == 0 || result.exit_status == 2) << fuzz << result.stderr_text;
    if (result.exit_status == 2) found = fuzz;
  }
  ASSERT_NE(found, "");
  for (int again = 0; again < 3; ++again) {
    const CommandResult result = run_program("deadlock", found);
    EXPECT_EQ(result.exit_status, 2) << found;
    EXPECT_THAT(result.stderr_text, HasSubstr("all fibers are asleep - deadlock!\ncreel: replayed by CREEL_FUZZ=" + found));
  }
}

TEST_P(Replay, UncaughtExceptionsNameTheSeed) {
  for (int seed = 1; seed <= 100; ++seed) {
    const std::string fuzz = GetParam() + std::to_string(seed);
    const CommandResult result = run_program("throws", fuzz);
    if (result.exit_status == 0) continue;
    EXPECT_THAT(result.stderr_text, HasSubstr("overtaken\ncreel: replayed by CREEL_FUZZ=" + fuzz + "\n"));
    return;
  }
  FAIL() << "no seed of a hundred overtakes";
}

}  // namespace
}  // namespace creel::test
