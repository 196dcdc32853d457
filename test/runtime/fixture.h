// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fixture of the tests of runtime/: bodies run inside creel::run() with 1, 2 and 4 processors, and with forced migration.

#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "creel/creel.h"
#include "test/support/parked.h"

namespace creel::test {

using namespace std::chrono_literals;

// Two processors where a fiber resumes on another thread than it left, every time; and one processor.
inline constexpr int kMigrating = -2;
inline constexpr int kMigratingOne = -1;

template <typename F>
int run_with(int procs, F&& body) {
  creel::Options options;
  options.procs = static_cast<std::uint32_t>(procs < 0 ? -procs : procs);
  options.force_migration = procs < 0;
  return creel::run(options, std::forward<F>(body));
}

// Ends the process with a dump of all fibers when it lives longer than 60 s.
class Watchdog {
 public:
  Watchdog()
      : thread_([this] {
          std::unique_lock lock(mutex_);
          if (done_.wait_for(lock, 60s, [this] { return ended_; })) return;
          std::fprintf(stderr, "a test takes longer than 60 s\n%s\n", creel::dump().c_str());
          std::abort();
        }) {}
  ~Watchdog() {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    done_.notify_one();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  bool ended_ = false;  // guarded by mutex_
  std::thread thread_;  // last: it uses the others
};

// Parameter: as for run_with().
class RuntimeTest : public ::testing::TestWithParam<int> {
 protected:
  template <typename F>
  void run(F&& body) {
    EXPECT_EQ(run_with(GetParam(), std::forward<F>(body)), 0);
  }

 private:
  Watchdog watchdog_;
};

// Death tests run in a process of their own: the runtime has threads.
class DeathTest : public ::testing::Test {
 protected:
  DeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

inline std::string procs_name(const ::testing::TestParamInfo<int>& info) {
  return (info.param < 0 ? "migrating" : "procs") + std::to_string(info.param < 0 ? -info.param : info.param);
}

#define INSTANTIATE_RUNTIME_TEST(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::Values(1, 2, 4, kMigrating, kMigratingOne), procs_name)

}  // namespace creel::test
