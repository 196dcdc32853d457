// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Cost of one operation as the number of fibers, waiters or timers grows: --size says how many. The number of operations stays
// the same, so that a cost that grows is seen.

#include <chrono>
#include <mutex>

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

using std::chrono::milliseconds;

template <typename F>
void spawn(creel::WaitGroup& wg, std::int64_t fibers, F function) {
  for (std::int64_t i = 0; i < fibers; ++i) {
    wg.add(1);
    creel::go([&wg, function] {
      function();
      wg.done();
    });
  }
}

// `size` fibers at once, then joined.
void spawns(bench::Run& run) {
  const std::int64_t size = run.size(1000);
  const std::int64_t total = run.count(1'000'000, size);
  run.measure(total, [&] {
    for (std::int64_t done = 0; done < total; done += size) {
      creel::WaitGroup wg;
      spawn(wg, size, [] {});
      wg.wait();
    }
  });
}

// `size` fibers that yield.
void yields(bench::Run& run) {
  const std::int64_t size = run.size(1000);
  const std::int64_t total = run.count(2'000'000, size);
  run.measure(total, [&] {
    creel::WaitGroup wg;
    spawn(wg, size, [each = total / size] {
      for (std::int64_t k = 0; k < each; ++k) creel::yield();
    });
    wg.wait();
  });
}

// `size` fibers wait on one condition variable, and are woken together; their creation is included.
void parks(bench::Run& run) {
  const std::int64_t size = run.size(1000);
  const std::int64_t total = run.count(1'000'000, size);
  run.measure(total, [&] {
    for (std::int64_t done = 0; done < total; done += size) {
      creel::Mutex mutex;
      creel::CondVar all_parked;
      creel::CondVar wake;
      std::int64_t waiting = 0;
      bool released = false;
      creel::WaitGroup wg;
      spawn(wg, size, [&] {
        std::unique_lock lock(mutex);
        if (++waiting == size) all_parked.notify_one();
        while (!released) wake.wait(lock);
      });
      std::unique_lock lock(mutex);
      while (waiting < size) all_parked.wait(lock);
      released = true;
      wake.notify_all();
      lock.unlock();
      wg.wait();
    }
  });
}

// `size` fibers queue for one mutex that is held meanwhile; their creation is included.
void queue_for_a_mutex(bench::Run& run) {
  const std::int64_t size = run.size(1000);
  const std::int64_t total = run.count(1'000'000, size);
  run.measure(total, [&] {
    for (std::int64_t done = 0; done < total; done += size) {
      creel::Mutex mutex;
      creel::WaitGroup coming;
      creel::WaitGroup wg;
      coming.add(static_cast<std::int32_t>(size));
      mutex.lock();
      spawn(wg, size, [&] {
        coming.done();
        mutex.lock();
        mutex.unlock();
      });
      coming.wait();
      mutex.unlock();
      wg.wait();
    }
  });
}

// `size` receivers wait on one channel, each for one item; their creation is included.
void receivers(bench::Run& run) {
  const std::int64_t size = run.size(1000);
  const std::int64_t total = run.count(1'000'000, size);
  run.measure(total, [&] {
    for (std::int64_t done = 0; done < total; done += size) {
      creel::Channel<int> channel;
      creel::WaitGroup coming;
      creel::WaitGroup wg;
      coming.add(static_cast<std::int32_t>(size));
      spawn(wg, size, [&] {
        coming.done();
        static_cast<void>(channel.recv());
      });
      coming.wait();
      for (std::int64_t i = 0; i < size; ++i) channel.send(1);
      wg.wait();
    }
  });
}

// CPU time of a short sleep while `size` others sleep for long.
void sleeps(bench::Run& run) {
  constexpr std::int64_t kSleepers = 100;
  const std::int64_t total = run.count(20'000, kSleepers);
  creel::WaitGroup asleep;
  const std::int64_t size = run.size(1000);
  asleep.add(static_cast<std::int32_t>(size));
  for (std::int64_t i = 0; i < size; ++i) {
    creel::go([&asleep, i] {
      asleep.done();
      creel::sleep_for(std::chrono::hours(1) + milliseconds((i * 7919) % 100'003));
    });
  }
  asleep.wait();
  creel::sleep_for(milliseconds(20));
  run.measure(total, [&] {
    creel::WaitGroup wg;
    spawn(wg, kSleepers, [each = total / kSleepers] {
      for (std::int64_t k = 0; k < each; ++k) creel::sleep_for(milliseconds(1));
    });
    wg.wait();
  });
  run.set_value(static_cast<double>(run.cpu().count()) / static_cast<double>(total));
}

const bench::Registration kSpawns{"scale_spawn", "ns/fiber", &spawns};
const bench::Registration kYields{"scale_yield", "ns/yield", &yields};
const bench::Registration kParks{"scale_condvar", "ns/fiber", &parks};
const bench::Registration kMutex{"scale_mutex", "ns/fiber", &queue_for_a_mutex};
const bench::Registration kReceivers{"scale_channel", "ns/fiber", &receivers};
const bench::Registration kSleeps{"scale_timer", "CPU ns/sleep", &sleeps};

}  // namespace
