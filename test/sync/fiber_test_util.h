// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fixture of the tests of sync/: bodies run inside creel::run() with 1, 2 and 4 processors, and
// with forced migration.
//
// Nothing here proves blocking by sleeping: see test/support/parked.h.

#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>

#include "creel/creel.h"
#include "test/support/parked.h"

namespace creel::test {

using namespace std::chrono_literals;

// A test that takes longer is deadlocked: the process ends by SIGALRM.
inline constexpr unsigned kTestLimitSeconds = 60;

// The parameter of two processors where a fiber resumes on another thread than it left, every time.
inline constexpr int kMigrating = -2;

// Runs `body` as the main fiber of a runtime with `procs` processors, or kMigrating.
template <typename F>
void run_with(int procs, F&& body) {
  creel::Options options;
  options.procs = static_cast<std::uint32_t>(procs < 0 ? -procs : procs);
  options.force_migration = procs < 0;
  EXPECT_EQ(creel::run(options, std::forward<F>(body)), 0);
}

class TimeLimit {
 public:
  TimeLimit() { ::alarm(kTestLimitSeconds); }
  ~TimeLimit() { ::alarm(0); }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;
};

// Parameter: as for run_with().
class FiberTest : public ::testing::TestWithParam<int> {
 protected:
  template <typename F>
  void run(F&& body) {
    run_with(GetParam(), std::forward<F>(body));
  }

 private:
  TimeLimit limit_;
};

inline std::string procs_name(const ::testing::TestParamInfo<int>& info) {
  return info.param < 0 ? "migrating" : "procs" + std::to_string(info.param);
}

#define INSTANTIATE_FIBER_TEST(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::Values(1, 2, 4, kMigrating), procs_name)

}  // namespace creel::test
