// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/one_by_one.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace {

using creel::sched::OneByOne;

constexpr std::int64_t kPause = 60'000;   // ns
constexpr std::int64_t kPeriod = 80'000;  // ns from request to request

// The counts of `polls` that each made one fiber runnable, and the time they take.
struct Course {
  OneByOne one_by_one;
  OneByOne::Counts counts{.poll_groups = 7, .poll_fibers = 100, .starts = 100};
  std::int64_t time = 1'000'000;

  Course() { static_cast<void>(one_by_one.look(counts, time, 1'000'000)); }
  bool go_on(std::uint64_t polls, std::uint32_t others = 0, std::int64_t slept = kPause, std::int64_t period = kPeriod) {
    counts.poll_fibers += polls;
    counts.starts += static_cast<std::uint32_t>(polls) + others;
    time += static_cast<std::int64_t>(polls) * period;
    return one_by_one.look(counts, time, slept);
  }
};

TEST(OneByOne, OneFiberPerPollThatIsAllThatRuns) {
  Course course;
  EXPECT_TRUE(course.go_on(1));
  EXPECT_TRUE(course.go_on(10, 5)) << "some others";
  EXPECT_FALSE(course.go_on(10, 6)) << "too many others";
}

TEST(OneByOne, SeveralFibersOfOnePoll) {
  Course course;
  ++course.counts.poll_groups;
  EXPECT_FALSE(course.go_on(10));
}

TEST(OneByOne, NothingFromTheNetwork) {
  Course course;
  EXPECT_FALSE(course.go_on(0));
  EXPECT_FALSE(course.go_on(0, 5)) << "sleepers";
}

TEST(OneByOne, ThePauseIsThatOfAClientNearBy) {
  EXPECT_FALSE(Course().go_on(1, 0, 3'000));
  EXPECT_TRUE(Course().go_on(1, 0, 11'000));
  EXPECT_TRUE(Course().go_on(1, 0, 199'000));
  EXPECT_FALSE(Course().go_on(1, 0, 1'000'000));
  EXPECT_FALSE(Course().go_on(10, 0, kPause, 300'000)) << "the end of a longer pause";
}

TEST(OneByOne, StartsWrap) {
  Course course;
  course.counts.starts = std::numeric_limits<std::uint32_t>::max() - 1;
  EXPECT_FALSE(course.go_on(1)) << "all that ran before";
  EXPECT_TRUE(course.go_on(3)) << course.counts.starts;
  EXPECT_LT(course.counts.starts, 10u);
}

TEST(OneByOne, RestsIfItIsInVain) {
  Course course;
  for (int i = 0; i < OneByOne::kPatience; ++i) ASSERT_TRUE(course.go_on(1)) << i;
  EXPECT_FALSE(course.go_on(1));
  course.time += OneByOne::kRest - 3 * kPeriod;
  EXPECT_FALSE(course.go_on(1));
  EXPECT_FALSE(course.go_on(1)) << "not a period of that mean, nor over";
  course.time += 2 * kPeriod;
  EXPECT_FALSE(course.go_on(1)) << "the mean of a long time";
  EXPECT_TRUE(course.go_on(1));
}

TEST(OneByOne, GoesOnWhereItHelps) {
  Course course;
  for (int i = 0; i < 3 * OneByOne::kPatience; ++i) {
    ASSERT_TRUE(course.go_on(1)) << i;
    ASSERT_TRUE(course.go_on(4, 0, kPause, 8'000)) << "on one CPU, until torn apart once more";
  }
}

}  // namespace
