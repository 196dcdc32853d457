// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Mutex and RWMutex.

#include <array>
#include <stdexcept>

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

constexpr std::int64_t kFibers = 8;

void uncontended(bench::Run& run) {
  const std::int64_t total = run.count(20'000'000);
  creel::Mutex mutex;
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

// Eight fibers, about 25 ns inside, nothing outside.
void contended(bench::Run& run) {
  const std::int64_t total = run.count(4'000'000, kFibers);
  creel::Mutex mutex;
  std::int64_t counter = 0;
  std::uint64_t value = 1;
  run.measure(total, [&] {
    creel::WaitGroup wg;
    for (std::int64_t i = 0; i < kFibers; ++i) {
      wg.add(1);
      creel::go([&] {
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

// Eight fibers read one word; every fiftieth operation writes it.
void readers_and_writers(bench::Run& run) {
  const std::int64_t total = run.count(8'000'000, kFibers * 50);
  creel::RWMutex mutex;
  std::int64_t counter = 0;
  std::array<std::int64_t, kFibers> seen{};
  run.measure(total, [&] {
    creel::WaitGroup wg;
    for (std::int64_t i = 0; i < kFibers; ++i) {
      wg.add(1);
      creel::go([&, i] {
        std::int64_t last = 0;
        for (std::int64_t k = 0; k < total / kFibers; ++k) {
          if (k % 50 == 0) {
            mutex.lock();
            ++counter;
            mutex.unlock();
          } else {
            mutex.lock_shared();
            last = counter;
            mutex.unlock_shared();
          }
        }
        seen[static_cast<std::size_t>(i)] = last;
        wg.done();
      });
    }
    wg.wait();
  });
  if (counter != total / 50) throw std::logic_error("writes were lost");
  for (std::int64_t last : seen) {
    if (last < 1 || last > counter) throw std::logic_error("a reader saw what nobody wrote");
  }
}

const bench::Registration kUncontended{"mutex_uncontended", "ns/lock", &uncontended};
const bench::Registration kContended{"mutex_8", "ns/lock", &contended};
const bench::Registration kReadWrite{"rwmutex_8", "ns/lock", &readers_and_writers};

}  // namespace
