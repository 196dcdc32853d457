// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/timer_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace creel::sched {
namespace {

struct Fired {
  std::vector<int> order;
};

struct Entry {
  Entry(Fired& log, int number)
      : fired(log), id(number), timer([](Timer&, void* arg) {
          auto* self = static_cast<Entry*>(arg);
          self->fired.order.push_back(self->id);
        }, this) {}
  Fired& fired;
  int id;
  Timer timer;
};

TEST(TimerHeap, FiresWhatIsDueEarliestFirst) {
  Fired fired;
  TimerHeap heap;
  Entry a(fired, 1), b(fired, 2), c(fired, 3);
  EXPECT_EQ(heap.next_when(), TimerHeap::kNever);
  EXPECT_TRUE(heap.add(b.timer, 20));
  EXPECT_FALSE(heap.add(c.timer, 30));
  EXPECT_TRUE(heap.add(a.timer, 10));
  EXPECT_EQ(heap.next_when(), 10);
  EXPECT_EQ(heap.run(9), 0u);
  EXPECT_EQ(heap.run(20), 2u);
  EXPECT_EQ(fired.order, (std::vector<int>{1, 2}));
  EXPECT_EQ(heap.next_when(), 30);
  EXPECT_FALSE(a.timer.stop());
  EXPECT_TRUE(c.timer.stop());
  EXPECT_FALSE(c.timer.stop());
  EXPECT_EQ(heap.next_when(), TimerHeap::kNever);
  EXPECT_EQ(heap.run(1000), 0u);
}

TEST(TimerHeap, ADestroyedTimerDoesNotFire) {
  Fired fired;
  TimerHeap heap;
  {
    Entry gone(fired, 1);
    heap.add(gone.timer, 10);
  }
  EXPECT_EQ(heap.run(100), 0u);
  EXPECT_TRUE(fired.order.empty());
}

TEST(TimerHeap, ATimerCanBeArmedAgainAfterItFired) {
  Fired fired;
  TimerHeap heap;
  Entry entry(fired, 1);
  for (int round = 1; round <= 3; ++round) {
    heap.add(entry.timer, round * 10);
    EXPECT_EQ(heap.run(round * 10), 1u);
  }
  EXPECT_EQ(fired.order.size(), 3u);
}

TEST(TimerHeap, MoveToKeepsEveryTimerAndStopFindsItThere) {
  Fired fired;
  TimerHeap from, to;
  std::vector<std::unique_ptr<Entry>> entries;
  for (int i = 0; i < 100; ++i) {
    entries.push_back(std::make_unique<Entry>(fired, i));
    (i % 2 == 0 ? from : to).add(entries.back()->timer, 1000 - i);
  }
  from.move_to(to);
  EXPECT_EQ(from.next_when(), TimerHeap::kNever);
  EXPECT_EQ(to.next_when(), 901);
  EXPECT_FALSE(from.remove(entries[0]->timer));
  EXPECT_TRUE(entries[0]->timer.stop());
  EXPECT_EQ(to.run(2000), 99u);
  EXPECT_TRUE(std::is_sorted(fired.order.rbegin(), fired.order.rend()));
}

TEST(TimerHeap, StoppedTimersLeaveNothingBehind) {
  Fired fired;
  TimerHeap heap;
  std::vector<std::unique_ptr<Entry>> entries;
  for (int i = 0; i < 5000; ++i) {
    entries.push_back(std::make_unique<Entry>(fired, i));
    heap.add(entries.back()->timer, (i * 7919) % 5000);
  }
  std::vector<int> expected;  // every fourth stays
  for (int i = 0; i < 5000; ++i) {
    if (i % 4 == 0) {
      expected.push_back(i);
    } else {
      ASSERT_TRUE(entries[i]->timer.stop());
      if (i % 4 == 2) entries[i].reset();  // gone, and never touched again
    }
  }
  std::sort(expected.begin(), expected.end(), [](int a, int b) { return a * 7919 % 5000 < b * 7919 % 5000; });
  EXPECT_EQ(heap.next_when(), expected.front() * 7919 % 5000);
  // Slots are used again, by others.
  for (int i = 1; i < 5000; i += 4) heap.add(entries[i]->timer, 10'000 + i);
  EXPECT_EQ(heap.run(9'999), expected.size());
  EXPECT_EQ(fired.order, expected);
  EXPECT_EQ(heap.next_when(), 10'001);
  EXPECT_EQ(heap.run(20'000), 1250u);
  EXPECT_EQ(heap.next_when(), TimerHeap::kNever);
  // Armed and stopped over and over beside one that stays: the heap's size stays bounded, the earliest time exact.
  heap.add(entries[0]->timer, 1);
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_FALSE(heap.add(entries[4]->timer, 100'000 - i % 50'000));
    ASSERT_TRUE(entries[4]->timer.stop());
  }
  EXPECT_EQ(heap.next_when(), 1);
  EXPECT_TRUE(entries[0]->timer.stop());
}

TEST(TimerHeap, BehavesAsAMultimap) {
  std::mt19937 random(11);
  constexpr int kTimers = 200;
  Fired fired;
  TimerHeap heap, other;
  TimerHeap* current = &heap;
  std::vector<std::unique_ptr<Entry>> entries;
  for (int i = 0; i < kTimers; ++i) entries.push_back(std::make_unique<Entry>(fired, i));
  std::multimap<std::int64_t, int> model;
  std::map<int, std::int64_t> armed;
  std::int64_t now = 0;
  for (int step = 0; step < 50'000; ++step) {
    const int id = static_cast<int>(random() % kTimers);
    const auto found = armed.find(id);
    switch (random() % 4) {
      case 0:
      case 1:
        if (found == armed.end()) {
          const std::int64_t when = now + static_cast<std::int64_t>(random() % 100);
          const bool earliest = model.empty() || when < model.begin()->first;
          ASSERT_EQ(current->add(entries[id]->timer, when), earliest);
          model.emplace(when, id);
          armed[id] = when;
        }
        break;
      case 2:
        ASSERT_EQ(entries[id]->timer.stop(), found != armed.end());
        if (found != armed.end()) {
          auto [it, end] = model.equal_range(found->second);
          while (it != end && it->second != id) ++it;
          ASSERT_NE(it, end);
          model.erase(it);
          armed.erase(found);
        }
        break;
      case 3: {
        if (random() % 50 == 0) {
          TimerHeap* target = current == &heap ? &other : &heap;
          current->move_to(*target);
          current = target;
        }
        now += static_cast<std::int64_t>(random() % 4);
        fired.order.clear();
        std::vector<std::int64_t> due;
        for (auto it = model.begin(); it != model.end() && it->first <= now; it = model.erase(it)) due.push_back(it->first);
        ASSERT_EQ(current->run(now), due.size());
        std::vector<std::int64_t> times;
        for (const int fired_id : fired.order) {
          ASSERT_EQ(armed.count(fired_id), 1u);
          times.push_back(armed[fired_id]);
          armed.erase(fired_id);
        }
        ASSERT_EQ(times, due);
        break;
      }
    }
    ASSERT_EQ(current->next_when(), model.empty() ? TimerHeap::kNever : model.begin()->first);
  }
}

// stop() against run() on another thread: either it fires, or stop() returns true; never both, never neither. The timer
// lives in a frame that goes away right after stop(), so a late touch is a use after scope for ASan and a race for TSan.
TEST(TimerHeap, StopAndFiringExcludeEachOther) {
  TimerHeap heap;
  std::atomic<bool> end{false};
  std::thread firing([&] {
    while (!end.load(std::memory_order_relaxed)) heap.run(100);
  });
  constexpr int kRounds = 100'000;
  int fired_count = 0;
  for (int round = 0; round < kRounds; ++round) {
    int fired = 0;  // written by fire, read after stop(), which orders them
    Timer timer([](Timer&, void* arg) { ++*static_cast<int*>(arg); }, &fired);
    heap.add(timer, round % 2 == 0 ? 50 : 100);
    // Every third time it is taken out of the heap already, and about to fire, firing, or fired.
    while (round % 3 == 0 && heap.next_when() != TimerHeap::kNever) std::this_thread::yield();
    const bool disarmed = timer.stop();
    ASSERT_EQ(fired, disarmed ? 0 : 1);
    fired_count += disarmed ? 0 : 1;
  }
  end.store(true, std::memory_order_relaxed);
  firing.join();
  EXPECT_GE(fired_count, kRounds / 3);
}

TEST(TimerHeap, StopSurvivesMovesBetweenHeaps) {
  TimerHeap a, b;
  std::atomic<bool> end{false};
  std::thread mover([&] {
    while (!end.load(std::memory_order_relaxed)) {
      a.move_to(b);
      b.move_to(a);
    }
  });
  for (int round = 0; round < 20'000; ++round) {
    Timer timer([](Timer&, void*) { FAIL() << "nobody runs these heaps"; }, nullptr);
    (round % 2 == 0 ? a : b).add(timer, 1);
    ASSERT_TRUE(timer.stop());
  }
  end.store(true, std::memory_order_relaxed);
  mover.join();
  EXPECT_EQ(a.next_when(), TimerHeap::kNever);
  EXPECT_EQ(b.next_when(), TimerHeap::kNever);
}

}  // namespace
}  // namespace creel::sched
