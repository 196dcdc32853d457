// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fibers that only yield.

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

void yields(bench::Run& run, std::int64_t fibers) {
  const std::int64_t total = run.count(10'000'000, fibers);
  run.measure(total, [&] {
    creel::WaitGroup wg;
    for (std::int64_t i = 0; i < fibers; ++i) {
      wg.add(1);
      creel::go([&wg, each = total / fibers] {
        for (std::int64_t k = 0; k < each; ++k) creel::yield();
        wg.done();
      });
    }
    wg.wait();
  });
}

const bench::Registration kTwo{"yield_2", "ns/yield", [](bench::Run& run) { yields(run, 2); }};
const bench::Registration kThousand{"yield_1000", "ns/yield", [](bench::Run& run) { yields(run, 1000); }};

}  // namespace
