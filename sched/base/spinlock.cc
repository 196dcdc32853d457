// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/base/spinlock.h"

#include <sched.h>

#include "creel/sched/base/pause.h"

namespace creel::sched {

void SpinLock::lock_slow() noexcept {
  // Holders need tens of nanoseconds; after about a microsecond the holder has most likely lost its core.
  constexpr int kSpins = 40;
  for (;;) {
    for (int i = 0; i < kSpins; ++i) {
      if (try_lock()) return;
      cpu_pause();
    }
    sched_yield();
  }
}

}  // namespace creel::sched
