// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fibers that do nothing: created and joined.

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

void spawn_and_wait(std::int64_t fibers) {
  creel::WaitGroup wg;
  for (std::int64_t i = 0; i < fibers; ++i) {
    wg.add(1);
    creel::go([&wg] { wg.done(); });
  }
  wg.wait();
}

// Batches of 1000, each joined before the next: what the caches of dead fibers are for.
const bench::Registration kBatch{"spawn_batch", "ns/fiber", [](bench::Run& run) {
                                   const std::int64_t total = run.count(2'000'000, 1000);
                                   spawn_and_wait(1000);
                                   run.measure(total, [&] {
                                     for (std::int64_t i = 0; i < total; i += 1000) spawn_and_wait(1000);
                                   });
                                 }};

// All at once: with one P no fiber runs before the last is created.
const bench::Registration kMillion{"spawn_million", "ns/fiber", [](bench::Run& run) {
                                     const std::int64_t total = run.count(1'000'000);
                                     run.measure(total, [&] { spawn_and_wait(total); });
                                   }};

}  // namespace
