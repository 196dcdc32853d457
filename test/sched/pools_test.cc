// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "creel/sched/fiber_pool.h"
#include "creel/sched/global_queue.h"

namespace creel::sched {
namespace {

// Fibers to queue, told apart by their ids, from 1.
class Fibers {
 public:
  explicit Fibers(std::size_t count) : fibers_(new Fiber[count + 1]) {
    for (std::size_t i = 1; i <= count; ++i) fibers_[i].id = i;
  }
  Fiber* operator[](std::size_t id) { return &fibers_[id]; }

 private:
  std::unique_ptr<Fiber[]> fibers_;
};

TEST(GlobalQueue, IsFirstInFirstOut) {
  GlobalQueue queue;
  Fibers fibers(100);
  Fiber* batch[3] = {fibers[1], fibers[2], fibers[3]};
  queue.push_batch(batch, 3);
  for (std::size_t i = 4; i <= 100; ++i) queue.push(fibers[i]);
  EXPECT_EQ(queue.size(), 100);
  std::uint64_t expected = 1;
  Fiber* out[7];
  while (const std::uint32_t count = queue.pop(out, 7)) {
    for (std::uint32_t i = 0; i < count; ++i) EXPECT_EQ(out[i]->id, expected++);
  }
  EXPECT_EQ(expected, 101u);
  EXPECT_EQ(queue.size(), 0);
  queue.push(fibers[5]);  // usable after it ran empty
  EXPECT_EQ(queue.pop(out, 7), 1u);
  EXPECT_EQ(out[0]->id, 5u);
}

TEST(GlobalQueue, LosesAndDoublesNothingBetweenThreads) {
  constexpr std::size_t kPerProducer = 50'000;
  constexpr std::size_t kProducers = 3;
  GlobalQueue queue;
  Fibers fibers(kPerProducer * kProducers);
  std::vector<std::atomic<std::uint32_t>> seen(kPerProducer * kProducers + 1);
  std::atomic<std::size_t> taken{0};
  std::vector<std::thread> threads;
  for (std::size_t p = 0; p < kProducers; ++p) {
    threads.emplace_back([&, p] {
      for (std::size_t i = 1; i <= kPerProducer; i += 2) {
        Fiber* pair[2] = {fibers[p * kPerProducer + i], fibers[p * kPerProducer + i + 1]};
        queue.push_batch(pair, 2);
      }
    });
  }
  for (int c = 0; c < 2; ++c) {
    threads.emplace_back([&] {
      Fiber* out[16];
      while (taken.load(std::memory_order_relaxed) < kPerProducer * kProducers) {
        const std::uint32_t count = queue.pop(out, 16);
        for (std::uint32_t i = 0; i < count; ++i) seen[out[i]->id].fetch_add(1, std::memory_order_relaxed);
        taken.fetch_add(count, std::memory_order_relaxed);
        if (count == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(queue.size(), 0);
  for (std::size_t i = 1; i < seen.size(); ++i) ASSERT_EQ(seen[i].load(), 1u) << "fiber " << i;
}

TEST(FiberPool, GivesEachFiberOnceAndTakesItBack) {
  FiberPool pool;
  std::set<Fiber*> distinct;
  std::vector<Fiber*> lists;
  for (int round = 0; round < 300; ++round) {
    std::uint32_t taken = 0;
    Fiber* head = pool.allocate(64, taken);
    ASSERT_NE(head, nullptr);
    lists.push_back(head);
    std::uint32_t count = 0;
    for (Fiber* f = head; f != nullptr; f = f->next, ++count) {
      EXPECT_EQ(f->status.load(), tracer::FiberStatus::kDead);
      EXPECT_TRUE(distinct.insert(f).second);
    }
    EXPECT_GE(count, 1u);
    EXPECT_LE(count, 64u);
    EXPECT_EQ(count, taken);
  }
  const auto slots = [&pool] {
    std::size_t n = 0;
    pool.for_each([&n](Fiber&) { ++n; });
    return n;
  };
  const std::size_t before = slots();
  EXPECT_GE(before, distinct.size());
  for (Fiber* head : lists) {
    std::uint32_t count = 0;
    for (Fiber* f = head; f != nullptr; f = f->next) ++count;
    pool.release(head, count);
  }
  // Odd portions: batches are split.
  std::uint32_t taken = 0;
  for (std::size_t left = distinct.size(); left > 0;) {
    for (Fiber* f = pool.allocate(static_cast<std::uint32_t>(std::min<std::size_t>(left, 23)), taken); f != nullptr; f = f->next) left -= left > 0 ? 1 : 0;
  }
  EXPECT_EQ(slots(), before);  // all served from what was given back
}

TEST(FiberCache, ReusesLastInFirstOutAndIsBounded) {
  FiberPool pool;
  FiberCache cache;
  Fiber* first = cache.get(pool);
  Fiber* second = cache.get(pool);
  cache.put(first, pool);
  cache.put(second, pool);
  EXPECT_EQ(cache.get(pool), second);
  EXPECT_EQ(cache.get(pool), first);

  std::vector<Fiber*> many;
  std::set<Fiber*> distinct;
  for (int i = 0; i < 1000; ++i) many.push_back(cache.get(pool));
  distinct.insert(many.begin(), many.end());
  EXPECT_EQ(distinct.size(), many.size());
  for (Fiber* fiber : many) cache.put(fiber, pool);
  cache.drain(pool);
  std::size_t reachable = 0;
  std::size_t slots = 0;
  pool.for_each([&slots](Fiber&) { ++slots; });
  // All but the two still held are in the pool again.
  std::uint32_t taken = 0;
  while (reachable < slots - 2) {
    for (Fiber* f = pool.allocate(64, taken); f != nullptr; f = f->next) ++reachable;
  }
  EXPECT_EQ(reachable, slots - 2);
}

TEST(FiberPool, ServesCachesOfSeveralThreads) {
  FiberPool pool;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&pool, t] {
      FiberCache cache;
      std::vector<Fiber*> held;
      for (int i = 0; i < 50'000; ++i) {
        if ((i * 7 + t) % 3 != 0 || held.empty()) {
          Fiber* fiber = cache.get(pool);
          ASSERT_EQ(fiber->entry, nullptr);  // somebody else's fiber would not be
          fiber->entry = [](void*) {};
          held.push_back(fiber);
        }
        if (held.size() > 200) {
          for (Fiber* fiber : held) {
            fiber->entry = nullptr;
            cache.put(fiber, pool);
          }
          held.clear();
        }
      }
      cache.drain(pool);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace creel::sched
