// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Runs the random program many times and shows every trace to Go's reader. Not one may be rejected.
//
// CREEL_STRESS_RUNS: how many seeds (default 20); CREEL_STRESS_SEED: the first one (default 1), to repeat a failure.
// The traces of a run that failed are kept, the others removed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "test/support/go_trace.h"
#include "test/support/trace_event.h"

namespace creel::test {
namespace {

int environment_number(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && std::atoi(text) > 0 ? std::atoi(text) : otherwise;
}

struct Totals {
  std::size_t traces = 0;
  std::size_t events = 0;
  std::size_t smallest_run = SIZE_MAX;
};

void one_run(int seed, bool migrate, Totals& totals) {
  const std::filesystem::path directory =
      std::filesystem::path(test_directory()) / ((migrate ? "migrate-" : "seed-") + std::to_string(seed));
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  // `timeout` ends a run that hangs: SIGQUIT first, which leaves a core file where those are allowed.
  std::vector<std::string> command = {
      "timeout",         "--signal=QUIT", "--kill-after=10", "60", CREEL_STRESS_PROGRAM, std::to_string(seed),
      directory.string()};
  if (migrate) command.emplace_back("migrate");
  const CommandResult run = run_command(command);
  const std::string repeat = "repeat with: " + std::string(CREEL_STRESS_PROGRAM) + " " + std::to_string(seed) + " " +
                             directory.string() + (migrate ? " migrate" : "");
  ASSERT_EQ(run.exit_status, 0) << run.stdout_text << run.stderr_text.substr(0, 20000) << repeat;

  std::size_t events = 0;
  std::size_t traces = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const ReadResult read = read_trace(file.path().string(), [](const Event&) {});
    ASSERT_TRUE(read.accepted()) << file.path() << ": rejected by Go's reader (exit status " << read.exit_status
                                 << ") after " << read.events << " events: " << read.error << repeat;
    events += read.events;
    ++traces;
  }
  // A trace without fibers running proves nothing: some thousand events are usual.
  ASSERT_GT(events, 500u) << "in " << traces << " traces; " << repeat;
  totals.traces += traces;
  totals.events += events;
  totals.smallest_run = std::min(totals.smallest_run, events);
  std::filesystem::remove_all(directory);
}

void all_runs(bool migrate) {
  CREEL_REQUIRE_GO_TRACE();
  const int first = environment_number("CREEL_STRESS_SEED", 1);
  const int runs = environment_number("CREEL_STRESS_RUNS", 20);
  Totals totals;
  for (int seed = first; seed < first + runs; ++seed) {
    one_run(seed, migrate, totals);
    if (testing::Test::HasFatalFailure()) return;
  }
  std::printf("%d runs, %zu traces, %zu events, at least %zu per run, none rejected\n", runs, totals.traces,
              totals.events, totals.smallest_run);
}

TEST(Stress, EveryTraceIsAccepted) { all_runs(false); }

TEST(Stress, EveryTraceIsAcceptedUnderForcedMigration) { all_runs(true); }

}  // namespace
}  // namespace creel::test
