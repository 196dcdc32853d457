// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Traces when something goes wrong: processors that never reach a safe point, a killed process, a full disk, a path
// that cannot be written, bad environment values.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <ostream>
#include <string>
#include <vector>

#include "test/support/go_trace.h"
#include "test/support/trace_summary.h"

namespace creel::test {
namespace {

using testing::HasSubstr;

// `timeout` ends a program that hangs.
CommandResult run_faulty(std::vector<std::string> arguments, const std::vector<std::string>& environment = {}) {
  std::vector<std::string> command = {"timeout", "--signal=QUIT", "--kill-after=5", "30", CREEL_FAULT_PROGRAM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_command(command, environment);
}

// Starting, changing the generation and stopping finish in 100 ms even while each processor runs a loop that calls
// nothing. Not a test of speed: waiting for such a loop would take for ever. The median bears a busy machine.
TEST(Faults, TracingStartsAndStopsWithoutSafePoints) {
  const std::string path = test_directory() + "/trace";
  const CommandResult result = run_faulty({"latency", path});
  ASSERT_EQ(result.exit_status, 0) << result.stdout_text << result.stderr_text;
  std::map<std::string, std::vector<long>> measured;
  std::istringstream lines(result.stdout_text);
  std::string what;
  long value = 0;
  while (lines >> what >> value) measured[what].push_back(value);
  for (const char* name : {"start", "advance", "stop"}) {
    std::vector<long>& times = measured[name];
    ASSERT_EQ(times.size(), 7u) << result.stdout_text;
    std::ranges::sort(times);
    EXPECT_LT(times[3], 100'000) << name << ": median of " << testing::PrintToString(times) << " us";
  }
  CREEL_REQUIRE_GO_TRACE();
  ReadResult read;
  const TraceSummary summary = summarise_trace(path, read);
  ASSERT_TRUE(read.accepted()) << read.error;
  // The two loops did nothing that makes an event, and yet each shows as running on its processor, with its name.
  std::set<std::int64_t> busy;
  for (const Slice& slice : summary.slices) {
    if (slice.after == State::kRunning) busy.insert(slice.proc);
  }
  EXPECT_EQ(busy, (std::set<std::int64_t>{0, 1}));
  EXPECT_FALSE(summary.groups().contains("")) << testing::PrintToString(summary.groups());
}

// What a killed process leaves opens up to its last full generation.
TEST(Faults, TraceOfAKilledProcessOpens) {
  CREEL_REQUIRE_GO_TRACE();
  const std::string path = test_directory() + "/trace";
  const CommandResult result = run_command({CREEL_FAULT_PROGRAM, "killed", path});
  ASSERT_EQ(result.exit_status, 128 + SIGKILL) << result.stderr_text;
  TraceSummary summary;
  const ReadResult read = read_trace(path, [&](const Event& event) { summary.event(event); });
  // 400 ms in generations of 20 ms; a busy machine may have had fewer.
  EXPECT_GE(summary.generations, 3u) << read.error;
  EXPECT_GT(summary.events, 1000u) << read.error;
  EXPECT_GT(summary.blocks["chan receive"], 0u);
  // The same by the way `go tool trace` opens a file: it needs one good generation and tells what is lost.
  const CommandResult opened = run_command({find_go_trace().value(), "-pprof=sync", path});
  EXPECT_EQ(opened.exit_status, 0) << opened.stderr_text;
}

TEST(Faults, FullDiskEndsTheTraceNotTheProgram) {
  const CommandResult result = run_faulty({"sink", "/dev/full"});
  EXPECT_EQ(result.exit_status, 0) << result.stderr_text;
  EXPECT_THAT(result.stdout_text, HasSubstr("received 2000"));
  EXPECT_THAT(result.stdout_text, HasSubstr("stop: " + std::to_string(ENOSPC)));
}

TEST(Faults, FullDiskUnderEnvironmentTraceIsReported) {
  const CommandResult result = run_faulty({"work"}, {"CREEL_TRACE=/dev/full"});
  EXPECT_THAT(result.stdout_text, HasSubstr("received 1000"));
  EXPECT_THAT(result.stderr_text, HasSubstr("No space left on device"));
  EXPECT_EQ(result.exit_status, 0);
}

TEST(Faults, UnwritablePathIsNamed) {
  const CommandResult started = run_faulty({"start", "/nonexistent/folder/trace"});
  EXPECT_THAT(started.stdout_text, HasSubstr("system_error " + std::to_string(ENOENT)));
  EXPECT_THAT(started.stdout_text, HasSubstr("/nonexistent/folder/trace"));
  EXPECT_THAT(started.stdout_text, HasSubstr("received 10"));
  EXPECT_EQ(started.exit_status, 0);

  const CommandResult traced = run_faulty({"work"}, {"CREEL_TRACE=/nonexistent/folder/trace"});
  EXPECT_NE(traced.exit_status, 0);
  EXPECT_EQ(traced.stdout_text, "") << "main must not run";
  EXPECT_THAT(traced.stderr_text, HasSubstr("/nonexistent/folder/trace"));
  EXPECT_THAT(traced.stderr_text, HasSubstr("No such file or directory"));
}

struct BadValue {
  const char* variable;
  const char* value;
};

// Names the test case; without it gtest prints addresses, which differ between runs.
std::ostream& operator<<(std::ostream& out, const BadValue& bad) { return out << bad.variable << "=" << bad.value; }

class BadEnvironment : public testing::TestWithParam<BadValue> {};

TEST_P(BadEnvironment, IsRefusedAndNamed) {
  const auto& [variable, value] = GetParam();
  const CommandResult result = run_faulty({"work"}, {std::string(variable) + "=" + value});
  EXPECT_NE(result.exit_status, 0);
  EXPECT_LT(result.exit_status, 124) << "a refusal, not a crash or a hang: " << result.stderr_text;
  EXPECT_EQ(result.stdout_text, "") << "main must not run";
  EXPECT_THAT(result.stderr_text, HasSubstr(variable));
  EXPECT_THAT(result.stderr_text, HasSubstr(value));
}

INSTANTIATE_TEST_SUITE_P(Values, BadEnvironment,
                         testing::Values(BadValue{"CREEL_PROCS", "0"}, BadValue{"CREEL_PROCS", "-1"},
                                         BadValue{"CREEL_PROCS", "two"}, BadValue{"CREEL_PROCS", "2x"},
                                         BadValue{"CREEL_PROCS", "99999999999999999999"},
                                         BadValue{"CREEL_STACK_SIZE", "1"}, BadValue{"CREEL_STACK_SIZE", "1.5M"},
                                         BadValue{"CREEL_STACK_SIZE", "big"}, BadValue{"CREEL_LOG", "loud"}));

TEST(GoodEnvironment, IsTaken) {
  const CommandResult result = run_faulty({"work"}, {"CREEL_PROCS=2", "CREEL_STACK_SIZE=64K", "CREEL_LOG=error"});
  EXPECT_EQ(result.exit_status, 0) << result.stderr_text;
  EXPECT_EQ(result.stdout_text, "received 1000\n");
}

}  // namespace
}  // namespace creel::test
