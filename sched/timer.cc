// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/timer.h"

#include <sched.h>

#include <algorithm>

#include "creel/sched/base/check.h"
#include "creel/sched/base/pause.h"
#include "creel/sched/outside.h"
#include "creel/sched/scheduler.h"

namespace creel::sched {

void Timer::start(Clock::time_point when) {
  constexpr const char* kWhat = "a timer, ticker or time limit";
  Worker* worker = this_worker();
  if (worker == nullptr || worker->proc == nullptr) [[unlikely]] {
    if (worker == nullptr) return as_fiber(kWhat, [this, when] { start(when); });
    misuse_outside_fiber(kWhat, worker->syscall_depth != 0);
  }
  check(state_.load(std::memory_order_relaxed) == State::kIdle, "a timer was started twice");
  // The last moment of the clock means "never" to the heaps.
  const std::int64_t ns = std::min(when.time_since_epoch().count(), TimerHeap::kNever - 1);
  if (worker->processor()->timers.add(*this, ns)) wake_for_timer(worker->scheduler, ns);
}

bool Timer::stop() noexcept {
  for (unsigned spins = 0;;) {
    // Acquire pairs with run()'s release.
    switch (state_.load(std::memory_order_acquire)) {
      case State::kIdle:
        return false;
      case State::kFiring:
        // Short, unless the firing worker has lost its core.
        if (++spins % 64 == 0) sched_yield();
        cpu_pause();
        break;
      case State::kArmed:
        if (this_worker() == nullptr) [[unlikely]] {
          // A thread outside, or no runtime runs any more. While the reader lives there either is one, or the end of the last
          // one has disarmed the timer, or left its heaps where they are.
          const SchedulerReader reader;
          if (state_.load(std::memory_order_acquire) == State::kArmed && heap_.load(std::memory_order_relaxed)->remove(*this)) {
            return true;
          }
          break;
        }
        if (heap_.load(std::memory_order_relaxed)->remove(*this)) return true;
        break;  // fired meanwhile, or its heap was moved: look again
    }
  }
}

}  // namespace creel::sched
