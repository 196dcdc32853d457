// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Shows that a fiber waits, without sleeping: by its status, which is set while the lock of what it waits for is held.

#pragma once

#include <atomic>

#include "creel/creel.h"
#include "creel/sched/fiber.h"
#include "creel/sched/park.h"

namespace creel::test {

// Yields until `condition` holds.
template <typename F>
void await(F condition) {
  while (!condition()) creel::yield();
}

// Watches one fiber: it calls here(), another one await_parked().
class Probe {
 public:
  // Caller: the fiber to watch, before the call that is to block.
  void here() { fiber_.store(sched::current_fiber(), std::memory_order_release); }
  [[nodiscard]] bool parked() const {
    sched::Fiber* fiber = fiber_.load(std::memory_order_acquire);
    return fiber != nullptr && fiber->status.load(std::memory_order_acquire) == tracer::FiberStatus::kWaiting;
  }
  // Returns once the fiber waits. Caller: another fiber.
  void await_parked() const {
    await([this] { return parked(); });
  }

 private:
  std::atomic<sched::Fiber*> fiber_{nullptr};
};

// Spawns a fiber of `group` and returns once it is parked in `function`.
template <typename F>
void go_until_parked(WaitGroup& group, F function) {
  Probe probe;
  group.go([&probe, function]() mutable {
    probe.here();
    function();
  });
  probe.await_parked();
}

}  // namespace creel::test
