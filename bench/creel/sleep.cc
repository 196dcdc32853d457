// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Timers: a million sleeps, how late short ones end, and what sleeping fibers cost.

#include <chrono>
#include <cstddef>
#include <vector>

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// One sleep per fiber, of 1 to 1000 ms, spread evenly. The value is CPU time: the wall time is mostly waiting.
void million_sleeps(bench::Run& run) {
  const std::int64_t total = run.count(1'000'000);
  run.measure(total, [&] {
    creel::WaitGroup wg;
    for (std::int64_t i = 0; i < total; ++i) {
      wg.add(1);
      creel::go([&wg, i] {
        creel::sleep_for(milliseconds(1 + (i * 7919) % 1000));
        wg.done();
      });
    }
    wg.wait();
  });
  run.set_value(1e-6 * static_cast<double>(run.cpu().count()));
  run.add_metric("wall_ms", 1e-6 * static_cast<double>(run.wall().count()));
}

// Sleeps of 1 ms, one after the other, in each of `fibers` fibers. The value is the 99th percentile of lateness.
void lateness(bench::Run& run, std::size_t fibers, std::int64_t full) {
  const auto each = static_cast<std::size_t>(run.count(full));
  std::vector<std::vector<double>> late(fibers, std::vector<double>(each));
  run.measure(static_cast<std::int64_t>(fibers * each), [&] {
    creel::WaitGroup wg;
    for (std::vector<double>& mine : late) {
      wg.add(1);
      creel::go([&wg, &mine] {
        for (double& sample : mine) {
          const auto due = steady_clock::now() + milliseconds(1);
          creel::sleep_for(milliseconds(1));
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
  // The share of one CPU that was busy: shows who buys punctuality by spinning.
  run.add_metric("busy_percent",
                 100.0 * static_cast<double>(run.cpu().count()) / static_cast<double>(run.wall().count()));
}

// CPU time per second of 10,000 fibers that sleep for longer than the run. They are abandoned at the end.
void idle(bench::Run& run) {
  const auto period =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(10) * run.scale());
  const std::int64_t fibers = std::min<std::int64_t>(run.count(100'000'000), 10'000);
  creel::WaitGroup started;
  started.add(static_cast<std::int32_t>(fibers));
  for (std::int64_t i = 0; i < fibers; ++i) {
    creel::go([&started] {
      started.done();
      creel::sleep_for(std::chrono::hours(1));
    });
  }
  started.wait();
  creel::sleep_for(milliseconds(20));  // the last of them go to sleep, the system settles
  run.measure(fibers, [&] { creel::sleep_for(period); });
  run.set_value(1e-6 * static_cast<double>(run.cpu().count()) / std::chrono::duration<double>(run.wall()).count());
}

const bench::Registration kMillion{"sleep_million", "CPU ms", &million_sleeps};
const bench::Registration kLate1{"sleep_late_1", "us p99", [](bench::Run& run) { lateness(run, 1, 1000); }};
const bench::Registration kLate100{"sleep_late_100", "us p99", [](bench::Run& run) { lateness(run, 100, 1000); }};
const bench::Registration kIdle{"idle_10000", "CPU ms/s", &idle};

}  // namespace
