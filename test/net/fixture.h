// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fixture of the tests of net/: that of runtime/, and a Probe that shows that a fiber is parked.
//
// Nothing here proves blocking by sleeping.

#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <system_error>
#include <utility>

#include "creel/net/descriptor_pool.h"
#include "creel/net/error.h"
#include "creel/net/sys.h"
#include "creel/sched/fiber.h"
#include "creel/sched/park.h"
#include "test/runtime/fixture.h"
#include "test/support/go_trace.h"

namespace creel::test {

// Watches one fiber: it calls here(), another one await_parked().
class Probe {
 public:
  // Caller: the fiber to watch, before the call that is to block.
  void here() { fiber_.store(sched::current_fiber(), std::memory_order_release); }
  // Returns once the fiber waits. Caller: another fiber.
  void await_parked() const {
    await([&] {
      sched::Fiber* fiber = fiber_.load(std::memory_order_acquire);
      return fiber != nullptr && fiber->status.load(std::memory_order_acquire) == tracer::FiberStatus::kWaiting;
    });
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

class NetTest : public RuntimeTest {
 protected:
  // Every test gives back all descriptors it opened.
  NetTest() : used_before_(net::detail::DescriptorPool::instance().in_use()) {}
  ~NetTest() override {
    net::sys::set_fault_hook(nullptr);
    EXPECT_EQ(net::detail::DescriptorPool::instance().in_use(), used_before_);
  }

 private:
  std::uint32_t used_before_;
};

}  // namespace creel::test
