// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/base/spinlock.h"

#include <sched.h>

#include "creel/sched/base/pause.h"

namespace creel::sched {

void SpinLock::lock_slow() noexcept {
  // Holders need tens of nanoseconds, so the lock is free at almost any look. The pauses are long all the same: two cores
  // that take turns at every operation move the lock and all it guards to and fro; one that holds back for some hundred
  // nanoseconds at least lets the other do many with everything in its cache. After some microseconds the holder has most
  // likely lost its core.
  constexpr int kFirstPauses = 8;
  constexpr int kMostPauses = 64;
  constexpr int kRoundsBeforeYield = 5;
  for (;;) {
    int pauses = kFirstPauses;
    for (int round = 0; round < kRoundsBeforeYield; ++round) {
      for (int i = 0; i < pauses; ++i) cpu_pause();
      if (try_lock()) return;
      if (pauses < kMostPauses) pauses *= 2;
    }
    sched_yield();
  }
}

}  // namespace creel::sched
