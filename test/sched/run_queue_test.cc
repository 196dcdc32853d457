// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/run_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <random>
#include <thread>
#include <vector>

namespace creel::sched {
namespace {

using Small = RunQueue<std::uint64_t, 4>;  // 0 is the null item

TEST(RunQueue, IsFirstInFirstOutUpToItsCapacity) {
  Small queue;
  for (std::uint64_t i = 1; i <= 4; ++i) EXPECT_TRUE(queue.push(i));
  EXPECT_FALSE(queue.push(5));
  EXPECT_EQ(queue.size(), 4u);
  for (std::uint64_t i = 1; i <= 4; ++i) EXPECT_EQ(queue.pop(), i);
  EXPECT_EQ(queue.pop(), 0u);
  EXPECT_TRUE(queue.empty());
}

TEST(RunQueue, GrabTakesTheOlderHalfRoundedUp) {
  for (std::uint32_t filled = 0; filled <= 4; ++filled) {
    Small queue;
    for (std::uint64_t i = 1; i <= filled; ++i) ASSERT_TRUE(queue.push(i));
    std::array<std::uint64_t, Small::kBatch> taken{};
    const std::uint32_t count = queue.grab(taken.data());
    EXPECT_EQ(count, (filled + 1) / 2);
    for (std::uint32_t i = 0; i < count; ++i) EXPECT_EQ(taken[i], i + 1);
    EXPECT_EQ(queue.size(), filled - count);
  }
}

TEST(RunQueue, PopBatchTakesFromAFullQueueOnly) {
  Small queue;
  std::array<std::uint64_t, Small::kBatch> out{};
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(queue.push(i));
  EXPECT_FALSE(queue.pop_batch(out.data()));
  ASSERT_TRUE(queue.push(4));
  EXPECT_TRUE(queue.pop_batch(out.data()));
  EXPECT_EQ(out, (std::array<std::uint64_t, 2>{1, 2}));
  EXPECT_EQ(queue.pop(), 3u);
}

TEST(RunQueue, BatchesAreNoLongerThanAskedFor) {
  RunQueue<std::uint64_t, 8, 2> queue;
  std::array<std::uint64_t, 2> out{};
  static_assert(decltype(queue)::kBatch == 2);
  for (std::uint64_t i = 1; i <= 8; ++i) ASSERT_TRUE(queue.push(i));
  EXPECT_TRUE(queue.pop_batch(out.data()));
  EXPECT_EQ(out, (std::array<std::uint64_t, 2>{1, 2}));
  EXPECT_EQ(queue.grab(out.data()), 2u);
  EXPECT_EQ(out, (std::array<std::uint64_t, 2>{3, 4}));
  EXPECT_EQ(queue.size(), 4u);
}

TEST(RunQueue, PopAloneLooksAheadInALongQueueOnly) {
  RunQueue<std::uint64_t, 128> queue;
  using Queue = decltype(queue);
  std::uint64_t pushed = 0;
  std::uint64_t popped = 0;
  for (int round = 0; round < 5; ++round) {  // the indices wrap
    while (queue.push(pushed + 1)) ++pushed;
    while (!queue.empty()) {
      bool looked = false;
      const std::uint32_t size = queue.size();
      ASSERT_EQ(queue.pop_alone([&](std::uint64_t next, std::uint64_t later) {
        looked = true;
        EXPECT_EQ(next, popped + 2);
        EXPECT_EQ(later, popped + 5);
      }),
                popped + 1);
      EXPECT_EQ(looked, size > Queue::kFew);
      ++popped;
    }
    EXPECT_EQ(queue.pop_alone([](std::uint64_t, std::uint64_t) { FAIL(); }), 0u);
  }
  EXPECT_EQ(popped, 5u * 128);
}

TEST(RunQueue, BehavesAsADequeThroughManyWraps) {
  std::mt19937 random(7);
  Small queue;
  std::deque<std::uint64_t> model;
  std::array<std::uint64_t, Small::kBatch> out{};
  std::uint64_t next = 1;
  for (int step = 0; step < 200'000; ++step) {
    switch (random() % 5) {
      case 0:
      case 1: {
        const bool room = model.size() < 4;
        ASSERT_EQ(queue.push(next), room);
        if (room) model.push_back(next);
        ++next;
        break;
      }
      case 2: {
        const std::uint64_t expected = model.empty() ? 0 : model.front();
        if (!model.empty()) model.pop_front();
        ASSERT_EQ(queue.pop(), expected);
        break;
      }
      case 3: {
        const std::size_t expected = (model.size() + 1) / 2;
        ASSERT_EQ(queue.grab(out.data()), expected);
        for (std::size_t i = 0; i < expected; ++i) {
          ASSERT_EQ(out[i], model.front());
          model.pop_front();
        }
        break;
      }
      case 4: {
        const bool full = model.size() == 4;
        ASSERT_EQ(queue.pop_batch(out.data()), full);
        for (std::size_t i = 0; full && i < 2; ++i) {
          ASSERT_EQ(out[i], model.front());
          model.pop_front();
        }
        break;
      }
    }
    ASSERT_EQ(queue.size(), model.size());
  }
}

// One owner pushes and pops, thieves grab: each item is taken exactly once.
template <std::uint32_t kCapacity, std::uint32_t kLongest = kCapacity>
void lose_nothing(std::uint64_t items, int thieves) {
  using Queue = RunQueue<std::uint64_t, kCapacity, kLongest>;
  Queue queue;
  std::vector<std::atomic<std::uint32_t>> seen(items + 1);
  std::atomic<std::uint64_t> taken{0};
  const auto take = [&](std::uint64_t item) {
    seen[item].fetch_add(1, std::memory_order_relaxed);
    taken.fetch_add(1, std::memory_order_relaxed);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < thieves; ++i) {
    threads.emplace_back([&] {
      std::array<std::uint64_t, Queue::kBatch> out{};
      while (taken.load(std::memory_order_relaxed) < items) {
        const std::uint32_t count = queue.grab(out.data());
        for (std::uint32_t k = 0; k < count; ++k) take(out[k]);
        if (count == 0) std::this_thread::yield();
      }
    });
  }
  std::array<std::uint64_t, Queue::kBatch> half{};
  for (std::uint64_t item = 1; item <= items; ++item) {
    while (!queue.push(item)) {
      if (queue.pop_batch(half.data())) {
        for (const std::uint64_t moved : half) take(moved);
      }
    }
    if (item % 3 == 0) {
      if (const std::uint64_t own = queue.pop()) take(own);
    }
  }
  while (const std::uint64_t own = queue.pop()) take(own);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), items);
  for (std::uint64_t item = 1; item <= items; ++item) ASSERT_EQ(seen[item].load(), 1u) << "item " << item;
}

TEST(RunQueue, ThievesAndOwnerTakeEachItemOnceSmall) { lose_nothing<4>(200'000, 3); }
TEST(RunQueue, ThievesAndOwnerTakeEachItemOnce) { lose_nothing<256, 32>(500'000, 3); }

}  // namespace
}  // namespace creel::sched
