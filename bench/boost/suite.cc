// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The Boost.Fiber twin of bench/creel, for the rows it can do. Left out: select and rwmutex (it has neither), what
// needs a million stacks at once (spawn_million, skynet, parked, sleep_million: a mapping each, more than Linux allows
// by default), fibers abandoned at the end (idle_10000), and blocking(), which it has no equivalent of. Its buffered
// channels need a capacity of a power of two from 2 on and hold one element less: chan_cap1 is exact, chan_cap128 holds
// 127.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <stdexcept>
#include <vector>

#include <boost/fiber/all.hpp>

#include "bench/harness/harness.h"

namespace {

namespace fibers = boost::fibers;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Go's sync.WaitGroup.
class WaitGroup {
 public:
  void add() {
    const std::unique_lock lock(mutex_);
    ++count_;
  }
  void done() {
    const std::unique_lock lock(mutex_);
    if (--count_ == 0) zero_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    zero_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  fibers::mutex mutex_;
  fibers::condition_variable zero_;
  std::int64_t count_ = 0;
};

template <typename F>
void go(F&& function) {
  fibers::fiber(fibers::launch::post, std::forward<F>(function)).detach();
}

void spawn_and_wait(std::int64_t count) {
  WaitGroup wg;
  for (std::int64_t i = 0; i < count; ++i) {
    wg.add();
    go([&wg] { wg.done(); });
  }
  wg.wait();
}

void spawn_batch(bench::Run& run) {
  const std::int64_t total = run.count(2'000'000, 1000);
  spawn_and_wait(1000);
  run.measure(total, [&] {
    for (std::int64_t i = 0; i < total; i += 1000) spawn_and_wait(1000);
  });
}

void yields(bench::Run& run, std::int64_t count) {
  const std::int64_t total = run.count(10'000'000, count);
  run.measure(total, [&] {
    WaitGroup wg;
    for (std::int64_t i = 0; i < count; ++i) {
      wg.add();
      go([&wg, each = total / count] {
        for (std::int64_t k = 0; k < each; ++k) boost::this_fiber::yield();
        wg.done();
      });
    }
    wg.wait();
  });
}

void ping_pong(bench::Run& run) {
  const std::int64_t trips = run.count(1'000'000);
  fibers::unbuffered_channel<int> ping;
  fibers::unbuffered_channel<int> pong;
  WaitGroup wg;
  wg.add();
  go([&] {
    int value = 0;
    while (ping.pop(value) == fibers::channel_op_status::success) pong.push(value);
    wg.done();
  });
  run.measure(trips, [&] {
    int value = 0;
    for (std::int64_t i = 0; i < trips; ++i) {
      ping.push(1);
      pong.pop(value);
    }
  });
  ping.close();
  wg.wait();
}

void stream(bench::Run& run, std::size_t capacity, std::int64_t pairs, std::int64_t full) {
  const std::int64_t items = run.count(full, pairs);
  std::int64_t received = 0;
  run.measure(items, [&] {
    fibers::buffered_channel<int> channel(capacity);
    WaitGroup senders;
    WaitGroup receivers;
    fibers::mutex mutex;
    for (std::int64_t i = 0; i < pairs; ++i) {
      receivers.add();
      go([&] {
        std::int64_t mine = 0;
        int value = 0;
        while (channel.pop(value) == fibers::channel_op_status::success) ++mine;
        mutex.lock();
        received += mine;
        mutex.unlock();
        receivers.done();
      });
      senders.add();
      go([&, each = items / pairs] {
        for (std::int64_t k = 0; k < each; ++k) channel.push(static_cast<int>(k));
        senders.done();
      });
    }
    senders.wait();
    channel.close();
    receivers.wait();
  });
  if (received != items) throw std::logic_error("items were lost");
}

void uncontended(bench::Run& run) {
  const std::int64_t total = run.count(20'000'000);
  fibers::mutex mutex;
  std::int64_t counter = 0;
  run.measure(total, [&] {
    for (std::int64_t i = 0; i < total; ++i) {
      mutex.lock();
      ++counter;
      mutex.unlock();
    }
  });
  if (counter != total) throw std::logic_error("increments were lost");
}

void contended(bench::Run& run) {
  constexpr std::int64_t kFibers = 8;
  const std::int64_t total = run.count(4'000'000, kFibers);
  fibers::mutex mutex;
  std::int64_t counter = 0;
  std::uint64_t value = 1;
  run.measure(total, [&] {
    WaitGroup wg;
    for (std::int64_t i = 0; i < kFibers; ++i) {
      wg.add();
      go([&] {
        for (std::int64_t k = 0; k < total / kFibers; ++k) {
          mutex.lock();
          value = bench::work(value);
          ++counter;
          mutex.unlock();
        }
        wg.done();
      });
    }
    wg.wait();
  });
  if (counter != total || value == 0) throw std::logic_error("increments were lost");
}

void lateness(bench::Run& run, std::size_t count, std::int64_t full) {
  const auto each = static_cast<std::size_t>(run.count(full));
  std::vector<std::vector<double>> late(count, std::vector<double>(each));
  run.measure(static_cast<std::int64_t>(count * each), [&] {
    WaitGroup wg;
    for (std::vector<double>& mine : late) {
      wg.add();
      go([&wg, &mine] {
        for (double& sample : mine) {
          const auto due = steady_clock::now() + milliseconds(1);
          boost::this_fiber::sleep_for(milliseconds(1));
          sample = std::chrono::duration<double, std::micro>(steady_clock::now() - due).count();
        }
        wg.done();
      });
    }
    wg.wait();
  });
  std::vector<double> all;
  for (const std::vector<double>& mine : late) all.insert(all.end(), mine.begin(), mine.end());
  run.set_value(bench::percentile(all, 0.99));
  run.add_metric("p50_us", bench::percentile(all, 0.5));
  run.add_metric("busy_percent", run.cpu() * 100.0 / run.wall());
}

const bench::Registration kSpawnBatch{"spawn_batch", "ns/fiber", &spawn_batch};
const bench::Registration kYield2{"yield_2", "ns/yield", [](bench::Run& run) { yields(run, 2); }};
const bench::Registration kYield1000{"yield_1000", "ns/yield", [](bench::Run& run) { yields(run, 1000); }};
const bench::Registration kPingPong{"pingpong", "ns/round trip", &ping_pong};
const bench::Registration kCap1{"chan_cap1_1to1", "ns/item", [](bench::Run& run) { stream(run, 2, 1, 2'000'000); }};
const bench::Registration kCap128{"chan_cap128_1to1", "ns/item",
                                  [](bench::Run& run) { stream(run, 128, 1, 10'000'000); }};
const bench::Registration kCap128x4{"chan_cap128_4to4", "ns/item",
                                    [](bench::Run& run) { stream(run, 128, 4, 10'000'000); }};
const bench::Registration kUncontended{"mutex_uncontended", "ns/lock", &uncontended};
const bench::Registration kContended{"mutex_8", "ns/lock", &contended};
const bench::Registration kLate1{"sleep_late_1", "us p99", [](bench::Run& run) { lateness(run, 1, 1000); }};
const bench::Registration kLate100{"sleep_late_100", "us p99", [](bench::Run& run) { lateness(run, 100, 1000); }};

}  // namespace
