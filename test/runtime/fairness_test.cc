// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Everything that is runnable runs within a bounded number of the others' slices.

#include <atomic>
#include <climits>
#include <cstdint>
#include <thread>

#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"
#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

// A queue of five and four processors: a handful of slices is fair, and a machine with few CPUs wakes threads late.
constexpr std::uint64_t kBound = 100;

// Slices begun so far on all processors. Caller: a fiber.
std::uint64_t slices() {
  const sched::Scheduler& s = *sched::scheduler();
  std::uint64_t total = 0;
  for (std::uint32_t id = 0; id < s.made_procs.load(std::memory_order_acquire); ++id) {
    total += s.proc(id)->sched_tick.load(std::memory_order_relaxed);
  }
  return total;
}

// A fiber comes back from a blocking call and finds all four processors busy with fibers that use up their slices: it
// waits in the global queue, beside those of them that have just been preempted, and must not wait for longer than
// they.
TEST(Fairness, AFiberBackFromABlockingCallGetsAProcessor) {
  const Watchdog watchdog;
  run_with(4, [] {
    std::atomic<bool> end{false};
    creel::WaitGroup group;
    for (int i = 0; i < 4; ++i) {
      group.go([&end] {
        while (!end.load(std::memory_order_relaxed)) creel::checkpoint();
      });
    }
    creel::spawn([] {
      for (int round = 0; round < 10; ++round) {
        std::uint64_t before = 0;
        creel::blocking([&before] {
          std::this_thread::sleep_for(25ms);  // long enough to lose the processor, most times
          before = slices();
        });
        const std::uint64_t waited = slices() - before;
        EXPECT_LE(waited, kBound) << "slices of others before round " << round << " went on";
        if (waited > kBound) return;
      }
    }).join();
    end.store(true);
    group.wait();
  });
}

// On one processor, `turns(go_on)` makes two fibers wake each other for as long as go_on() says, that is until a third
// has run. Each is woken into the place of the next in line and so inherits the other's slice; it must end all the
// same.
template <typename F>
void expect_a_third_fiber_runs(F turns) {
  const Watchdog watchdog;
  run_with(1, [&turns] {
    std::atomic<bool> third_ran{false};
    bool in_time = false;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    long rounds = 0;
    // Tells the first fiber whether to go on for another round; lets the third in when the two have found their rhythm.
    const auto go_on = [&] {
      if (++rounds == 100) {
        creel::go([&third_ran] { third_ran.store(true); });
        creel::go([] {});  // pushes the third out of the place next in line
      }
      in_time = third_ran.load();
      return !in_time && std::chrono::steady_clock::now() < deadline;
    };
    turns(go_on);
    EXPECT_TRUE(in_time) << "the third fiber did not run during 10 s and " << rounds << " rounds";
  });
}

TEST(Fairness, TwoFibersAtABarrierLetAThirdRun) {
  expect_a_third_fiber_runs([](auto go_on) {
    creel::Barrier barrier(2);
    std::atomic<long> last{LONG_MAX};  // the round both stop after
    creel::WaitGroup group;
    for (const bool first : {true, false}) {
      group.go([&, first] {
        for (long round = 1; round <= last.load(); ++round) {
          if (first && last.load() == LONG_MAX && !go_on()) last.store(round);
          barrier.arrive_and_wait();
        }
      });
    }
    group.wait();
  });
}

TEST(Fairness, TwoFibersAtWaitGroupsLetAThirdRun) {
  expect_a_third_fiber_runs([](auto go_on) {
    creel::WaitGroup ping;
    creel::WaitGroup pong;
    bool end = false;  // one processor, and no safe point between the uses
    ping.add(1);
    auto second = creel::spawn([&] {
      for (;;) {
        ping.wait();
        if (end) return;
        ping.add(1);
        pong.done();
      }
    });
    do {
      pong.add(1);
      ping.done();
      pong.wait();
    } while (go_on());
    end = true;
    ping.done();
    second.join();
  });
}

TEST(Fairness, TwoFibersAtChannelsLetAThirdRun) {
  expect_a_third_fiber_runs([](auto go_on) {
    creel::Channel<int> there;
    creel::Channel<int> back;
    auto second = creel::spawn([&] {
      while (there.recv()) back.send(1);
    });
    do {
      there.send(1);
      static_cast<void>(back.recv());
    } while (go_on());
    there.close();
    second.join();
  });
}

// --- The order of one processor, counted in slices

// Two fibers that only yield keep the processor's own queue from ever being empty. Every 61st slice looks at the global
// queue all the same; of what may be preempted into it, at most one fiber is before the one that waits.
constexpr std::uint64_t kGlobalEvery = 61;

class YieldingPair {
 public:
  YieldingPair() {
    for (int i = 0; i < 2; ++i) {
      group_.go([this] {
        while (!end_) creel::yield();
      });
    }
  }
  ~YieldingPair() {
    end_ = true;
    group_.wait();
  }
  YieldingPair(const YieldingPair&) = delete;
  YieldingPair& operator=(const YieldingPair&) = delete;

 private:
  bool end_ = false;  // one processor
  creel::WaitGroup group_;
};

TEST(Fairness, AFiberInTheGlobalQueueWaitsForItsTurnOnly) {
  const Watchdog watchdog;
  run_with(1, [] {
    const YieldingPair pair;
    for (int round = 0; round < 50; ++round) {
      const std::uint64_t before = slices();
      sched::raise_attention(*sched::scheduler()->proc(0));  // as the monitor does when a slice is over
      creel::checkpoint();                                   // preempted: to the global queue
      const std::uint64_t waited = slices() - before;
      ASSERT_GE(waited, 1u) << "was not preempted";
      ASSERT_LE(waited, 3 * kGlobalEvery) << "slices in round " << round;
    }
  });
}

TEST(Fairness, FibersThatOverflowTheLocalQueueAllRun) {
  static constexpr std::uint64_t kFibers = 1000;
  const Watchdog watchdog;
  run_with(1, [] {
    const YieldingPair pair;
    creel::WaitGroup group;
    const std::uint64_t before = slices();
    for (std::uint64_t i = 0; i < kFibers; ++i) group.go([] {});
    group.wait();
    EXPECT_LE(slices() - before, (kFibers + 10) * kGlobalEvery);
  });
}

// Who is woken into the place of the next in line goes on in the slice of the one who woke it: a pair that plays ping-pong gets
// one slice after another, not one each time, or it would get more of the processor than a fiber that computes. Slices
// end by the clock, so their number is not known; but it is not the number of turns.
TEST(Fairness, TheNextInLineInheritsTheSlice) {
  static constexpr std::uint64_t kRounds = 20000;
  const Watchdog watchdog;
  run_with(1, [] {
    creel::Channel<int> there;
    creel::Channel<int> back;
    auto second = creel::spawn([&] {
      while (there.recv()) back.send(1);
    });
    const std::uint64_t before = slices();
    for (std::uint64_t i = 0; i < kRounds; ++i) {
      there.send(1);
      static_cast<void>(back.recv());
    }
    EXPECT_LT(slices() - before, kRounds / 2);
    there.close();
    second.join();
  });
}

// --- Attention: what makes safe points take the slow path

// Whether no processor asks for attention, now or within 10 s. Sleeps meanwhile, so that nobody runs who could
// be asked.
bool attention_goes_down() {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (sched::g_attention.load() != 0) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    creel::sleep_for(1ms);
  }
  return true;
}

TEST(Attention, IsDownAgainAfterProcessorsWentAway) {
  const Watchdog watchdog;
  run_with(4, [] {
    creel::sleep_for(1ms);
    creel::set_procs(1);  // the others are idle
    EXPECT_TRUE(attention_goes_down()) << sched::g_attention.load() << " processors, idle ones retired";

    creel::set_procs(4);
    std::atomic<int> begun{0};
    std::atomic<bool> end{false};
    creel::WaitGroup group;
    for (int i = 0; i < 3; ++i) {
      group.go([&] {
        begun.fetch_add(1);
        while (!end.load(std::memory_order_relaxed)) creel::checkpoint();
      });
    }
    await([&begun] { return begun.load() == 3; });
    creel::set_procs(1);  // the others, or some, run fibers
    await([] {
      const sched::Scheduler& s = *sched::scheduler();
      return s.proc(1)->holder.load() == 0 && s.proc(2)->holder.load() == 0 && s.proc(3)->holder.load() == 0;
    });
    end.store(true);
    group.wait();
    EXPECT_TRUE(attention_goes_down()) << sched::g_attention.load() << " processors, busy ones retired";
  });
  EXPECT_EQ(sched::g_attention.load(), 0u);
}

TEST(Attention, IsDownAgainAfterRun) {
  const Watchdog watchdog;
  for (int round = 0; round < 20; ++round) {
    run_with(4, [] {
      for (int i = 0; i < 8; ++i) {
        creel::go([] {
          for (;;) creel::checkpoint();
        });
      }
      for (int i = 0; i < 5; ++i) creel::yield();
    });
    ASSERT_EQ(sched::g_attention.load(), 0u) << "round " << round;
  }
}

}  // namespace
}  // namespace creel::test
