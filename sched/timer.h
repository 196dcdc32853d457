// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Timers: one four-ary heap per processor, run by the workers' scheduling loops.
//
// A Timer is embedded in its user's frame or object; no allocation per timer but the heap's array.
// Thread safety: start() and stop() from any worker; a Timer must not be moved or destroyed while armed.
// Source: runtime/time.go of Go (per-P heaps, timers stolen by idle Ps); a stopped timer is forgotten at once, its entry in
// the heap later: a Timer here lives in a stack frame.

#pragma once

#include <atomic>
#include <cstdint>

#include "creel/sched/clock.h"

namespace creel::sched {

struct Processor;

class Timer {
 public:
  // Runs in a worker's scheduling loop, holding a P but no current fiber, without any lock held: must be short, must not
  // park; typically calls ready(). The timer is not armed any more; it must not be re-armed or destroyed by it.
  using Fire = void (*)(Timer& timer, void* arg);

  Timer(Fire fire, void* arg) noexcept : fire_(fire), arg_(arg) {}
  // A timer that fired may still be finishing on another worker: stop() waits for that, so destroying is always safe.
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Arms the timer for `when` (a time past fires at once). Requires: not armed. Caller: a worker with a P.
  // Errors: std::bad_alloc when the heap's array cannot grow.
  void start(Clock::time_point when);

  // Disarms. True: it will not fire. False: it has fired or was never armed. If it is firing on another worker, waits
  // (spins) until `fire` has returned, so the Timer may be destroyed afterwards. Never call it from `fire`.
  bool stop() noexcept;

 private:
  friend class TimerHeap;
  enum class State : std::uint8_t { kIdle, kArmed, kFiring };

  Fire fire_;
  void* arg_;
  std::uint32_t slot_ = 0;                 // its slot in the heap; guarded by the heap's lock
  std::atomic<State> state_{State::kIdle};
  std::atomic<class TimerHeap*> heap_{nullptr};  // where it is armed; changes when a heap is moved
};

}  // namespace creel::sched
