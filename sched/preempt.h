// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Cooperative preemption: safe points, and code that must not be split by one.
//
// The monitor raises a processor's `attention` after a 10 ms slice; the running fiber notices at its next safe point:
// every runtime call, checkpoint(), and with creel_preempt_loops(target) each edge of the user's control flow.
// Why not signals: a fiber interrupted inside malloc or a pthread lock cannot be switched away from.

#pragma once

#include <atomic>
#include <cstdint>

namespace creel::sched {

struct Processor;
struct Worker;

// How many processors have `attention` set, and one more while the schedule is fuzzed. Relaxed: a safe point that misses a
// change sees it at the next one.
extern std::atomic<std::uint32_t> g_attention;

// Raises / clears a processor's attention, keeping g_attention. Any thread / the owner. Return whether that changed it.
bool raise_attention(Processor& proc) noexcept;
bool clear_attention(Processor& proc) noexcept;

void safe_point_slow();
void loop_point_slow();  // at an edge of an instrumented loop

// A safe point: yields if the fiber's slice is over. One load when not. Caller: a fiber holding no SpinLock; on other
// threads does nothing. Blocking: may let other fibers run.
inline void safe_point() {
  if (g_attention.load(std::memory_order_relaxed) != 0) [[unlikely]] safe_point_slow();
}

// Holds off safe points, of calls and of loops (creel_preempt_loops), on this worker while it lives: user code called with a
// SpinLock held, and what a fiber must get through without being stopped.
// Not a lock; must not enclose anything that parks.
class NoPreempt {
 public:
  NoPreempt() noexcept;
  ~NoPreempt();
  NoPreempt(const NoPreempt&) = delete;
  NoPreempt& operator=(const NoPreempt&) = delete;

 private:
  Worker* worker_;
};

}  // namespace creel::sched
