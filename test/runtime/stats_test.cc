// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// creel::stats().

#include <atomic>
#include <limits>
#include <semaphore>
#include <thread>

#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

class StatsTest : public RuntimeTest {};
INSTANTIATE_RUNTIME_TEST(StatsTest);

TEST(Stats, AreZeroOutsideRun) {
  const creel::Stats stats = creel::stats();
  EXPECT_EQ(stats.created, 0u);
  EXPECT_EQ(stats.procs, 0u);
  EXPECT_TRUE(stats.local_queues.empty());
  EXPECT_EQ(stats.latency.quantile(0.5).count(), 0);
}

TEST_P(StatsTest, CountFibersByState) {
  run([&] {
    const creel::Stats before = creel::stats();
    EXPECT_EQ(before.created, 1u);
    EXPECT_EQ(before.live, 1u);
    constexpr std::uint64_t kWaiters = 10;
    creel::Channel<int> gate;
    creel::WaitGroup done;
    for (std::uint64_t i = 0; i < kWaiters; ++i) {
      done.go([&] { static_cast<void>(gate.recv()); });
    }
    creel::Stats parked;
    await([&] {
      parked = creel::stats();
      return parked.waiting == kWaiters && parked.parks >= kWaiters;
    });
    EXPECT_EQ(parked.created, kWaiters + 1);
    EXPECT_EQ(parked.ended, 0u);
    EXPECT_EQ(parked.live, kWaiters + 1);
    EXPECT_EQ(parked.running + parked.runnable + parked.waiting + parked.blocking, parked.live);
    EXPECT_GE(parked.stacks, kWaiters);
    EXPECT_GE(parked.stack_bytes, parked.stacks * 16384);
    gate.close();
    done.wait();
    await([] { return creel::stats().ended == kWaiters; });
    EXPECT_EQ(creel::stats().live, 1u);
  });
}

TEST_P(StatsTest, CountFibersThatBlock) {
  run([&] {
    std::binary_semaphore leave(0);
    creel::WaitGroup done;
    done.go([&] { creel::blocking([&] { leave.acquire(); }); });
    // First with its P, then without: retaken by the monitor.
    await([] { return creel::stats().blocking == 1; });
    await([] {
      const creel::Stats stats = creel::stats();
      return stats.retakes >= 1 && stats.blocking == 1;
    });
    leave.release();
    done.wait();
    EXPECT_EQ(creel::stats().blocking, 0u);
  });
}

TEST_P(StatsTest, CountQueuesAndTimers) {
  run([&] {
    const creel::Stats stats = creel::stats();
    EXPECT_EQ(stats.procs, creel::procs());
    EXPECT_GE(stats.local_queues.size(), creel::procs());
    EXPECT_GE(stats.workers, 1u);
    EXPECT_GE(stats.worker_starts, stats.workers);
    creel::Channel<int> gate;
    creel::WaitGroup done;
    for (int i = 0; i < 5; ++i) {
      done.go([&] { EXPECT_FALSE(gate.recv_for(std::chrono::hours(1)).has_value()); });
    }
    await([] { return creel::stats().timers == 5; });
    gate.close();
    done.wait();
    EXPECT_EQ(creel::stats().timers, 0u);
  });
}

TEST_P(StatsTest, SampleLatencies) {
  run([&] {
    while (creel::stats().latency.samples() < 20) {  // each fiber created becomes runnable
      creel::WaitGroup done;
      for (int i = 0; i < 1000; ++i) done.go([] {});
      done.wait();
    }
    const creel::Stats stats = creel::stats();
    EXPECT_LE(stats.latency.quantile(0), stats.latency.quantile(0.5));
    EXPECT_LE(stats.latency.quantile(0.5), stats.latency.quantile(1));
    EXPECT_GT(stats.latency.quantile(1).count(), 0);
  });
}

TEST(Stats, CountPreemptions) {
  const Watchdog watchdog;
  run_with(1, [] {
    std::atomic<bool> ran{false};
    creel::go([&] { ran.store(true); });
    while (!ran.load()) creel::checkpoint();  // until the slice is over
    EXPECT_GE(creel::stats().preempted, 1u);
  });
}

TEST(Stats, CountStealsAndWakes) {
  const Watchdog watchdog;
  run_with(2, [] {
    while (creel::stats().steals == 0) {
      std::atomic<bool> ran{false};
      creel::go([&] { ran.store(true); });  // a safe point: may run the fiber here
      while (!ran.load()) std::this_thread::yield();  // keeps its P: another has to steal the fiber
    }
    const creel::Stats stats = creel::stats();
    EXPECT_GE(stats.steals, 1u);
    EXPECT_GE(stats.stolen, stats.steals);
    EXPECT_GE(stats.worker_starts + stats.worker_wakes, 2u);
  });
}

TEST(Stats, MayBeReadFromAnyThread) {
  const Watchdog watchdog;
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load()) {
      const creel::Stats stats = creel::stats();
      EXPECT_GE(stats.created, stats.ended);
    }
  });
  for (int round = 0; round < 3; ++round) {
    run_with(2, [] {
      for (int i = 0; i < 100; ++i) {
        creel::WaitGroup done;
        for (int k = 0; k < 20; ++k) done.go([] { creel::yield(); });
        done.wait();
      }
    });
  }
  stop.store(true);
  reader.join();
}

TEST(LatencyHistogram, Quantiles) {
  creel::LatencyHistogram histogram;
  histogram.counts[sched::latency_bucket(100)] = 90;     // 64 to 128
  histogram.counts[sched::latency_bucket(10'000)] = 10;  // 8192 to 16384
  EXPECT_EQ(histogram.samples(), 100u);
  EXPECT_EQ(histogram.quantile(0.5).count(), 128);
  EXPECT_EQ(histogram.quantile(0.9).count(), 128);
  EXPECT_EQ(histogram.quantile(0.91).count(), 16384);
  EXPECT_EQ(histogram.quantile(1).count(), 16384);
  EXPECT_EQ(sched::latency_bucket(0), 0u);
  EXPECT_EQ(sched::latency_bucket(1), 1u);
  EXPECT_EQ(sched::latency_bucket(2), 2u);
  EXPECT_EQ(sched::latency_bucket(3), 2u);
  EXPECT_EQ(sched::latency_bucket(std::numeric_limits<std::int64_t>::max()), sched::kLatencyBuckets - 1);
}

}  // namespace
}  // namespace creel::test
