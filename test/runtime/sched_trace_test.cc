// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// CREEL_SCHEDTRACE.

#include <unistd.h>

#include <cstdlib>
#include <regex>
#include <string>

#include "creel/sched/sched_trace.h"
#include "creel/sched/stats.h"
#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

TEST(SchedTrace, Line) {
  creel::Stats stats;
  stats.procs = 2;
  stats.idle_procs = 1;
  stats.workers = 5;
  stats.spinning = 1;
  stats.idle_workers = 3;
  stats.global_queue = 17;
  stats.local_queues = {4, 0, 9};  // the third P went away
  EXPECT_EQ(sched::sched_line(stats, 1'004'999'999),
            "SCHED 1004ms: procs=2 idleprocs=1 workers=5 spinning=1 idleworkers=3 runqueue=17 [4 0]");
}

class SchedTraceDeathTest : public DeathTest {};

// Runs with the interval set, stderr led to the main fiber, which leaves with 77 after `lines` lines. All other Ps idle
// meanwhile: lines come then, too.
[[noreturn]] void read_lines(int lines, const creel::Options& options) {
  setenv("CREEL_LOG", "off", 1);  // is for the log alone; and nothing else is to be written
  int ends[2];
  if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0) std::_Exit(1);
  std::_Exit(creel::run(options, [&] {
    const std::regex wanted(R"(\[creel\] \[info\] SCHED \d+ms: procs=2 idleprocs=\d+ workers=\d+ spinning=\d+ )"
                            R"(idleworkers=\d+ runqueue=\d+ \[\d+ \d+\]$)");
    std::string line;
    while (lines > 0) {
      char c = 0;
      if (creel::blocking([&] { return ::read(ends[0], &c, 1); }) != 1) return 2;
      if (c != '\n') {
        line += c;
        continue;
      }
      if (!std::regex_search(line, wanted)) {
        std::printf("not as wanted: %s\n", line.c_str());
        std::fflush(stdout);
        return 3;
      }
      line.clear();
      --lines;
    }
    return 77;
  }));
}

TEST_F(SchedTraceDeathTest, WritesLines) {
  EXPECT_EXIT(
      {
        setenv("CREEL_SCHEDTRACE", "2", 1);
        read_lines(5, {.procs = 2});
      },
      testing::ExitedWithCode(77), "");
  EXPECT_EXIT(read_lines(1, {.procs = 2, .sched_trace_ms = 1}), testing::ExitedWithCode(77), "");
}

TEST_F(SchedTraceDeathTest, RefusesOtherIntervals) {
  for (const char* bad : {"0", "-1", "1.5", "1s", "3600001", "often"}) {
    EXPECT_EXIT(
        {
          setenv("CREEL_SCHEDTRACE", bad, 1);
          std::_Exit(creel::run([] { return 77; }));
        },
        testing::ExitedWithCode(1), std::string("creel: CREEL_SCHEDTRACE=") + bad + " .*milliseconds from 1 to 3600000");
  }
  EXPECT_EXIT(std::_Exit(creel::run({.sched_trace_ms = 3'600'001}, [] { return 77; })), testing::ExitedWithCode(1),
              "Options::sched_trace_ms=3600001 .*1 to 3600000");
}

}  // namespace
}  // namespace creel::test
