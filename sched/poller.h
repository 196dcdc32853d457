// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Contract of a network poller: how the scheduler waits for readiness without knowing what epoll is.
//
// net/ implements it, runtime/ installs it before the scheduler starts. Without one, TimedPoller below serves: idle
// workers then wait for timers only. Source: the list of functions at the top of Go's runtime/netpoll.go.

#pragma once

#include <cstdint>

#include "creel/sched/fiber.h"
#include "creel/sched/platform/futex.h"

namespace creel::sched {

class Poller {
 public:
  virtual ~Poller() = default;
  // Waits up to `timeout_ns` (0: no waiting; < 0: until an event or interrupt()) and returns the fibers that became
  // ready, linked by Fiber::next: still Waiting, the caller makes them Runnable. One blocking caller at a time.
  virtual Fiber* poll(std::int64_t timeout_ns) = 0;
  // Makes a blocking poll() return, the current one or else the next. Any thread.
  virtual void interrupt() noexcept = 0;
  // Whether any fiber waits for an event: from before its park until it runs again (deadlock.cc relies on it).
  [[nodiscard]] virtual bool has_waiters() const noexcept = 0;
};

// Waits for time only.
class TimedPoller final : public Poller {
 public:
  Fiber* poll(std::int64_t timeout_ns) override {
    if (timeout_ns < 0) {
      park_.park();
    } else if (timeout_ns > 0) {
      park_.park_for(std::chrono::nanoseconds(timeout_ns));
    }
    return nullptr;
  }
  void interrupt() noexcept override { park_.wake(); }
  [[nodiscard]] bool has_waiters() const noexcept override { return false; }

 private:
  Parker park_;
};

}  // namespace creel::sched
