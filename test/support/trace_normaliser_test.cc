// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/support/trace_normaliser.h"

#include <gtest/gtest.h>

namespace creel::test {
namespace {

class NormaliserTest : public testing::Test {
 protected:
  void log(std::int64_t g, std::string category, std::string message, std::int64_t task = 0) {
    Event event;
    event.kind = EventKind::kLog;
    event.g = g;
    event.name = std::move(category);
    event.message = std::move(message);
    event.task = task;
    normaliser_.event(event);
  }
  void move(std::int64_t actor, std::int64_t id, State from, State to, std::string reason = {}) {
    Event event;
    event.kind = EventKind::kStateTransition;
    event.resource = ResourceKind::kGoroutine;
    event.g = actor;
    event.id = id;
    event.from = from;
    event.to = to;
    event.reason = std::move(reason);
    normaliser_.event(event);
  }
  Normaliser normaliser_;
};

TEST_F(NormaliserTest, NamesByCreationAndLeavesOthersOut) {
  move(5, 6, State::kNotExist, State::kRunnable);  // before the window
  log(5, "begin", "demo");
  move(5, 40, State::kNotExist, State::kRunnable);
  move(5, 5, State::kRunning, State::kWaiting, "sync");
  move(40, 40, State::kRunnable, State::kRunning);
  move(-1, 6, State::kRunnable, State::kRunning);       // an outsider
  move(-1, 40, State::kUndetermined, State::kRunning);  // a status
  move(40, 41, State::kNotExist, State::kRunnable);
  log(40, "note", "hello \"you\"", 77);
  move(40, 5, State::kWaiting, State::kRunnable);
  move(40, 40, State::kRunning, State::kNotExist);
  move(5, 5, State::kRunnable, State::kRunning);
  log(5, "end", "demo");
  move(41, 41, State::kRunnable, State::kRunning);  // after the window
  const std::vector<Window> windows = normaliser_.take();
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_TRUE(windows[0].complete);
  EXPECT_EQ(windows[0].name, "demo");
  EXPECT_EQ(windows[0].text,
            "schedule: main/1 main\n"
            "main:\n"
            "  Running->Waiting \"sync\"\n"
            "  Waiting->Runnable by main/1\n"
            "  Runnable->Running\n"
            "main/1:\n"
            "  NotExist->Runnable by main\n"
            "  Runnable->Running\n"
            "  log task1 \"note\" \"hello \\\"you\\\"\"\n"
            "  Running->NotExist\n"
            "main/1/1:\n"
            "  NotExist->Runnable by main/1\n");
}

TEST_F(NormaliserTest, TellsWhoWakes) {
  log(1, "begin", "demo");
  move(1, 1, State::kRunning, State::kWaiting, "sleep");
  move(-1, 1, State::kWaiting, State::kRunnable);
  move(9, 1, State::kWaiting, State::kRunnable);
  log(1, "end", "demo");
  EXPECT_EQ(normaliser_.take().at(0).text,
            "schedule:\nmain:\n  Running->Waiting \"sleep\"\n  Waiting->Runnable by the scheduler\n"
            "  Waiting->Runnable by an outsider\n");
}

TEST_F(NormaliserTest, CollapsesRepeatedPreemption) {
  normaliser_ = Normaliser({.collapse_preemptions = true, .leave_out_order = true});
  log(1, "begin", "demo");
  for (int i = 0; i < 4; ++i) {
    move(1, 1, State::kRunning, State::kRunnable, "preempted");
    move(-1, 1, State::kRunnable, State::kRunning);
  }
  log(1, "end", "demo");
  const Window window = normaliser_.take().at(0);
  EXPECT_EQ(window.preemptions, 4);
  EXPECT_EQ(window.text, "main:\n  Running->Runnable \"preempted\"\n  Runnable->Running\n");
}

TEST_F(NormaliserTest, LeavesOutOrderWhenAsked) {
  normaliser_ = Normaliser({.leave_out_order = true});
  log(1, "begin", "demo");
  move(1, 2, State::kNotExist, State::kRunnable);
  move(-1, 2, State::kRunnable, State::kRunning);
  move(2, 1, State::kWaiting, State::kRunnable);
  log(1, "end", "demo");
  EXPECT_EQ(normaliser_.take().at(0).text,
            "main:\n  Waiting->Runnable\nmain/1:\n  NotExist->Runnable by main\n  Runnable->Running\n");
}

TEST_F(NormaliserTest, LeavesOutSyscallsWhenAsked) {
  for (const bool leave_out : {false, true}) {
    normaliser_ = Normaliser({.leave_out_syscalls = leave_out});
    log(1, "begin", "demo");
    move(1, 1, State::kRunning, State::kSyscall);
    move(1, 1, State::kSyscall, State::kRunning);
    move(1, 1, State::kRunning, State::kSyscall);
    move(-1, 1, State::kSyscall, State::kRunnable);
    log(1, "end", "demo");
    const Window window = normaliser_.take().at(0);
    EXPECT_EQ(window.lost_processors, 1);
    EXPECT_EQ(window.text, leave_out ? "schedule:\nmain:\n  Syscall->Runnable\n"
                                     : "schedule:\nmain:\n  Running->Syscall\n  Syscall->Running\n"
                                       "  Running->Syscall\n  Syscall->Runnable\n");
  }
}

TEST_F(NormaliserTest, UnfinishedWindowIsNotComplete) {
  log(1, "begin", "demo");
  EXPECT_FALSE(normaliser_.take().at(0).complete);
}

TEST(Diff, MarksBothSides) { EXPECT_EQ(diff("a\nb\nc\n", "a\nx\nc\nd\n"), " a\n-b\n+x\n c\n+d\n"); }

}  // namespace
}  // namespace creel::test
