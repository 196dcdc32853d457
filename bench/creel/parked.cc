// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A million fibers parked on one condition variable: what each holds, how long creating and waking all takes.

#include <chrono>
#include <mutex>

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// The value is the growth of resident memory per fiber, once all are parked. create_ms: until the last one is parked;
// wake_ms: from notify_all() until the last one has ended.
void parked(bench::Run& run) {
  const std::int64_t total = run.count(1'000'000);
  creel::Mutex mutex;
  creel::CondVar all_parked;
  creel::CondVar wake;
  std::int64_t waiting = 0;
  bool released = false;
  creel::WaitGroup wg;
  const std::int64_t before = bench::resident_bytes();
  std::int64_t after = 0;
  run.measure(total, [&] {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < total; ++i) {
      wg.add(1);
      creel::go([&] {
        std::unique_lock lock(mutex);
        if (++waiting == total) all_parked.notify_one();
        while (!released) wake.wait(lock);
        lock.unlock();
        wg.done();
      });
    }
    std::unique_lock lock(mutex);
    while (waiting < total) all_parked.wait(lock);
    run.add_metric("create_ms", milliseconds_since(start));
    after = bench::resident_bytes();
    const auto woken = std::chrono::steady_clock::now();
    released = true;
    wake.notify_all();
    lock.unlock();
    wg.wait();
    run.add_metric("wake_ms", milliseconds_since(woken));
  });
  run.set_value(static_cast<double>(after - before) / static_cast<double>(total));
}

const bench::Registration kParked{"parked", "bytes/fiber", &parked};

}  // namespace
