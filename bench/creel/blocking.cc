// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// blocking(): around a system call that returns at once, and around ones that block the thread for 1 ms.

#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

void short_calls(bench::Run& run) {
  const std::int64_t total = run.count(2'000'000);
  run.measure(total, [&] {
    for (std::int64_t i = 0; i < total; ++i) creel::blocking([] { return ::syscall(SYS_getppid); });
  });
}

// Eight fibers at once, so more than there are processors: 1000 us per round if every P is handed on at once.
void long_calls(bench::Run& run) {
  const std::int64_t rounds = run.count(500);
  run.measure(rounds, [&] {
    creel::WaitGroup wg;
    for (int i = 0; i < 8; ++i) {
      wg.add(1);
      creel::go([&wg, rounds] {
        for (std::int64_t k = 0; k < rounds; ++k) {
          creel::blocking([] {
            const timespec millisecond{.tv_sec = 0, .tv_nsec = 1'000'000};
            return ::syscall(SYS_nanosleep, &millisecond, nullptr);
          });
        }
        wg.done();
      });
    }
    wg.wait();
  });
  run.set_value(1e-3 * run.value());
}

const bench::Registration kShort{"blocking_short", "ns/call", &short_calls};
const bench::Registration kLong{"blocking_1ms_8", "us/round", &long_calls};

}  // namespace
