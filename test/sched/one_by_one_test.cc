// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/one_by_one.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace {

using creel::sched::OneByOne;

constexpr std::int64_t kPause = 60'000;  // ns

TEST(OneByOne, OneFiberPerPollThatIsAllThatRuns) {
  OneByOne one_by_one;
  EXPECT_FALSE(one_by_one.look({.poll_groups = 7, .poll_fibers = 100, .starts = 100}, kPause)) << "groups were seen";
  EXPECT_TRUE(one_by_one.look({.poll_groups = 7, .poll_fibers = 101, .starts = 101}, kPause));
  EXPECT_TRUE(one_by_one.look({.poll_groups = 7, .poll_fibers = 111, .starts = 116}, kPause)) << "some others";
  EXPECT_FALSE(one_by_one.look({.poll_groups = 7, .poll_fibers = 121, .starts = 132}, kPause)) << "too many others";
}

TEST(OneByOne, SeveralFibersOfOnePoll) {
  OneByOne one_by_one;
  EXPECT_FALSE(one_by_one.look({.poll_groups = 1, .poll_fibers = 10, .starts = 10}, kPause));
}

TEST(OneByOne, NothingFromTheNetwork) {
  OneByOne one_by_one;
  EXPECT_FALSE(one_by_one.look({.poll_groups = 0, .poll_fibers = 0, .starts = 0}, kPause));
  EXPECT_FALSE(one_by_one.look({.poll_groups = 0, .poll_fibers = 0, .starts = 5}, kPause)) << "sleepers";
}

TEST(OneByOne, ThePauseIsThatOfAClientNearBy) {
  const OneByOne::Counts one{.poll_groups = 0, .poll_fibers = 1, .starts = 1};
  EXPECT_FALSE(OneByOne().look(one, 3'000));
  EXPECT_TRUE(OneByOne().look(one, 11'000));
  EXPECT_TRUE(OneByOne().look(one, 199'000));
  EXPECT_FALSE(OneByOne().look(one, 1'000'000));
}

TEST(OneByOne, StartsWrap) {
  OneByOne one_by_one;
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  EXPECT_FALSE(one_by_one.look({.poll_groups = 0, .poll_fibers = 10, .starts = kMost}, kPause)) << "all that ran before";
  EXPECT_TRUE(one_by_one.look({.poll_groups = 0, .poll_fibers = 12, .starts = 1}, kPause));
}

}  // namespace
