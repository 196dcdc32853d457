// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// No false sharing where it would cost every fiber: what one worker writes all the time does not lie on a cache line that
// others read all the time.

#include <cstdint>

#include "creel/sched/base/cache_line.h"
#include "creel/sched/scheduler.h"
#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

// Processors and workers are allocated one by one: with whole lines each, no two of them meet on one.
static_assert(alignof(sched::Processor) % sched::kCacheLine == 0 && sizeof(sched::Processor) % sched::kCacheLine == 0);
static_assert(alignof(sched::Worker) % sched::kCacheLine == 0 && sizeof(sched::Worker) % sched::kCacheLine == 0);

template <typename T>
std::uintptr_t line(const T& object) {
  return reinterpret_cast<std::uintptr_t>(&object) / sched::kCacheLine;
}

TEST(Layout, WhatAllReadIsApartFromWhatIdleWorkersWrite) {
  run_with(2, [] {
    const sched::Scheduler& s = *sched::scheduler();
    for (const std::uintptr_t written : {line(s.lock), line(s.spinning), line(s.last_poll), line(s.monitor_word)}) {
      EXPECT_NE(line(s.idle_proc_count), written) << "read by each ready()";
      EXPECT_NE(line(s.procs), written);
      EXPECT_NE(line(s.made_procs), written);
      EXPECT_NE(line(s.processors[0]), written);
      EXPECT_NE(line(s.coarse_now), written) << "read by each park";
      EXPECT_NE(line(s.stopping), written) << "read by each search";
      EXPECT_NE(line(s.global_queue), written) << "its size is read at each yield";
      EXPECT_NE(line(s.poller), written);
    }
    EXPECT_NE(line(s.global_queue), line(s.fiber_pool));
    EXPECT_NE(line(s.procs), line(s.idle_proc_count));
  });
}

TEST(Layout, ThePlacesOfARunQueueThatThievesWriteAreApartFromItsOwners) {
  run_with(1, [] {
    const sched::Processor& proc = *sched::scheduler()->proc(0);
    EXPECT_NE(line(proc.queue), line(proc.runnext)) << "the head, which thieves move";
    EXPECT_NE(line(proc.queue), line(proc.sched_tick));
    EXPECT_NE(line(proc.runnext), line(proc.sched_tick));
    EXPECT_NE(line(proc.timers), line(proc.sched_tick)) << "read by every worker that goes idle";
  });
}

}  // namespace
}  // namespace creel::test
