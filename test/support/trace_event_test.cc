// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/support/trace_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "test/support/go_trace.h"
#include "test/support/trace_summary.h"

namespace creel::test {
namespace {

std::vector<Event> parse(std::initializer_list<std::string_view> lines) {
  std::vector<Event> events;
  EventParser parser([&](const Event& event) { events.push_back(event); });
  for (const std::string_view line : lines) parser.line(line);
  parser.finish();
  return events;
}

TEST(EventParser, ReadsTransitionWithBothStacks) {
  const std::vector<Event> events =
      parse({"M=12 P=0 G=7 StateTransition Time=99 GoID=7 Running->Waiting Reason=\"chan send\"",
             "TransitionStack=", "\truntime.chansend1 @ 0x40bd6d", "\t\t/go/src/runtime/chan.go:161",
             "\tmain.work @ 0x4b1", "\t\t/a dir/main.go:7", "", "Stack=", "\tmain.work @ 0x4b1", "\t\t/a dir/main.go:7",
             "", "M=12 P=0 G=-1 StateTransition Time=100 ProcID=0 Running->Idle Reason=\"\""});
  ASSERT_EQ(events.size(), 2u);
  const Event& block = events[0];
  EXPECT_EQ(block.m, 12);
  EXPECT_EQ(block.p, 0);
  EXPECT_EQ(block.g, 7);
  EXPECT_EQ(block.time, 99);
  EXPECT_TRUE(block.is_goroutine_transition());
  EXPECT_EQ(block.id, 7);
  EXPECT_EQ(block.from, State::kRunning);
  EXPECT_EQ(block.to, State::kWaiting);
  EXPECT_EQ(block.reason, "chan send");
  ASSERT_EQ(block.transition_stack.size(), 2u);
  EXPECT_EQ(block.transition_stack[0].function, "runtime.chansend1");
  EXPECT_EQ(block.transition_stack[1].file, "/a dir/main.go");
  EXPECT_EQ(block.transition_stack[1].line, 7);
  ASSERT_EQ(block.stack.size(), 1u);
  EXPECT_TRUE(events[1].is_proc_transition());
  EXPECT_EQ(events[1].g, -1);
  EXPECT_EQ(events[1].to, State::kIdle);
}

TEST(EventParser, ReadsAnnotations) {
  const std::vector<Event> events = parse(
      {"M=1 P=0 G=1 TaskBegin Time=1 ID=3 Parent=0 Type=\"load\"", "M=1 P=0 G=1 RegionBegin Time=2 Task=3 Type=\"a b\"",
       "M=1 P=0 G=1 Log Time=3 Task=3 Category=\"c\" Message=\"x\\n\\\"\\u00fc\"",
       "M=1 P=0 G=1 Label Time=4 Label=\"worker 1\" Resource=Goroutine(1)", "M=1 P=0 G=1 Sync Time=5 N=1",
       "M=1 P=0 G=1 Metric Time=6 Name=\"/sched/gomaxprocs:threads\" Value=Value{Uint64(2)}",
       "M=1 P=0 G=1 RangeEnd Time=7 Name=\"GC\" Scope=None Attributes=[\"a\"=Value{Uint64(1)}]",
       "M=1 P=0 G=1 TaskEnd Time=8 ID=3 Parent=18446744073709551615 Type=\"\""});
  ASSERT_EQ(events.size(), 8u);
  EXPECT_EQ(events[0].task, 3);
  EXPECT_EQ(events[0].name, "load");
  EXPECT_EQ(events[1].name, "a b");
  EXPECT_EQ(events[2].message, "x\n\"\u00fc");
  EXPECT_EQ(events[3].id, 1);
  EXPECT_EQ(events[3].name, "worker 1");
  EXPECT_EQ(events[5].message, "Value{Uint64(2)}");
  EXPECT_EQ(events[7].parent, -1);
}

TEST(EventParser, RejectsWhatItDoesNotUnderstand) {
  EXPECT_THROW(parse({"M=1 P=0 G=1 Nonsense Time=1"}), std::runtime_error);
  EXPECT_THROW(parse({"M=1 P=0 G=1 StateTransition Time=1 GoID=7 Running->Flying Reason=\"\""}), std::runtime_error);
  EXPECT_THROW(parse({"M=1 P=0 G=1 Log Time=1 Task=1 Category=\"open"}), std::runtime_error);
  EXPECT_THROW(parse({"panic: something"}), std::runtime_error);
}

TEST(EventParser, UnquotesAsGoQuotes) {
  std::size_t used = 0;
  EXPECT_EQ(unquote("\"a\\tb\" rest", used), "a\tb");
  EXPECT_EQ(used, 6u);
  EXPECT_EQ(unquote("\"\\xff\\U0001f600\"", used), "\xff\U0001f600");
  EXPECT_EQ(unquote("\"open", used), std::nullopt);
  EXPECT_EQ(unquote("\"\\x\"", used), std::nullopt);
  EXPECT_EQ(unquote("none", used), std::nullopt);
}

TEST(TraceSummary, CountsAndIntervals) {
  TraceSummary summary;
  EventParser parser([&](const Event& event) { summary.event(event); });
  for (const char* line : {"M=1 P=-1 G=-1 Sync Time=0 N=1",
                           "M=1 P=0 G=-1 StateTransition Time=0 ProcID=0 Undetermined->Running Reason=\"\"",
                           "M=1 P=0 G=1 StateTransition Time=0 GoID=1 Undetermined->Running Reason=\"\"",
                           "M=1 P=0 G=1 StateTransition Time=10 GoID=2 NotExist->Runnable Reason=\"\"",
                           "TransitionStack=", "\tmain.leaf @ 0x1", "\t\tf.go:1", "\tmain.child @ 0x1", "\t\tf.go:2",
                           "", "M=1 P=0 G=1 StateTransition Time=20 GoID=1 Running->Waiting Reason=\"sync\"",
                           "M=1 P=0 G=2 StateTransition Time=30 GoID=2 Runnable->Running Reason=\"\"",
                           "M=1 P=0 G=2 StateTransition Time=70 GoID=2 Running->Runnable Reason=\"preempted\"",
                           "M=1 P=0 G=2 StateTransition Time=80 GoID=2 Runnable->Running Reason=\"\"",
                           "M=1 P=0 G=2 StateTransition Time=90 GoID=2 Running->NotExist Reason=\"\"",
                           "M=1 P=-1 G=-1 Sync Time=100 N=2"}) {
    parser.line(line);
  }
  parser.finish();
  summary.finish();
  EXPECT_EQ(summary.events, 10u);
  EXPECT_EQ(summary.generations, 1u);
  EXPECT_EQ(summary.transitions(State::kRunning, State::kWaiting), 1u);
  EXPECT_EQ(summary.blocks.at("sync"), 1u);
  EXPECT_EQ(summary.stops.at("preempted"), 1u);
  EXPECT_EQ(summary.groups(), (std::map<std::string, std::size_t>{{"", 1}, {"main.child", 1}}));
  EXPECT_TRUE(summary.goroutines.at(2).created);
  EXPECT_TRUE(summary.goroutines.at(2).ended);
  EXPECT_EQ(summary.goroutines.at(2).starts, 2u);
  EXPECT_EQ(summary.slices.size(), 3u);
  EXPECT_DOUBLE_EQ(summary.busy_share(0, 0, 100), 0.7);
  EXPECT_EQ(summary.span_of("main.child"), (std::pair<std::int64_t, std::int64_t>{30, 90}));
}

TEST(RunCommand, TellsStatusAndOutput) {
  const CommandResult result = run_command({"sh", "-c", "echo $HELLO; echo oops >&2; exit 7"}, {"HELLO=there"});
  EXPECT_EQ(result.exit_status, 7);
  EXPECT_EQ(result.stdout_text, "there\n");
  EXPECT_EQ(result.stderr_text, "oops\n");
  EXPECT_EQ(run_command({"sh", "-c", "kill -9 $$"}).exit_status, 128 + 9);
  EXPECT_EQ(run_command({"/nonexistent/program"}).exit_status, 127);
}

}  // namespace
}  // namespace creel::test
