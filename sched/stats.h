// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Figures of the running scheduler. Always on: see counters.h for what that costs.

#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "creel/sched/counters.h"

namespace creel {

// Sampled scheduling latencies: how long fibers were runnable before they ran. Quantiles are exact to a factor of two.
struct LatencyHistogram {
  // counts[0]: less than 1 ns; counts[i]: from 2^(i-1) to 2^i ns; the last one: all above.
  std::array<std::uint64_t, sched::kLatencyBuckets> counts{};

  [[nodiscard]] std::uint64_t samples() const noexcept;
  // The upper end of the bucket in which the share `q` (0 to 1) of all samples is reached; 0 ns without samples.
  [[nodiscard]] std::chrono::nanoseconds quantile(double q) const noexcept;
};

// Taken from counters that go on counting meanwhile: each number is right for some moment during the call, the sums are
// not of one moment. At rest they are exact.
struct Stats {
  // Fibers. live = running + runnable + waiting + blocking.
  std::uint64_t created = 0;   // since run() began
  std::uint64_t ended = 0;
  std::uint64_t live = 0;
  std::uint64_t running = 0;   // Ps that run, less the workers on them that look for work
  std::uint64_t runnable = 0;  // in the queues below
  std::uint64_t waiting = 0;   // the rest: parked
  std::uint64_t blocking = 0;  // inside creel::blocking() or a file operation

  // Transitions since run() began.
  std::uint64_t parks = 0;      // waits of fibers
  std::uint64_t preempted = 0;  // stops at a safe point because the slice was over
  std::uint64_t steals = 0;     // visits to another P that brought something
  std::uint64_t stolen = 0;     // fibers they brought
  std::uint64_t retakes = 0;    // Ps taken from fibers that block
  LatencyHistogram latency;     // about one in 256 fibers that became runnable

  // Workers (threads) and Ps.
  std::uint32_t procs = 0;
  std::uint32_t idle_procs = 0;
  std::uint32_t workers = 0;       // threads alive
  std::uint32_t idle_workers = 0;  // of these, parked
  std::uint32_t spinning = 0;      // of these, looking for work
  std::uint64_t worker_starts = 0;  // threads created
  std::uint64_t worker_wakes = 0;   // parked threads woken
  std::uint64_t poll_wakes = 0;     // returns from a poll that waited (for a timer or the network)
  std::uint64_t poll_fibers = 0;    // fibers that polls made runnable

  // Queues.
  std::uint64_t global_queue = 0;
  std::vector<std::uint32_t> local_queues;  // by P, the fiber next in line included
  std::uint64_t timers = 0;                 // armed

  // Stacks. Bytes are address space: what fibers touched of it is in memory.
  std::uint64_t stack_bytes = 0;
  std::uint64_t stacks = 0;       // cut from it so far
  std::uint64_t stacks_free = 0;  // of these, in the pool (those a P keeps at hand count as used)
};

namespace sched {

struct Scheduler;

// Takes short locks of the scheduler. Any thread that keeps `s` alive.
[[nodiscard]] Stats collect_stats(Scheduler& s);

}  // namespace sched

}  // namespace creel
