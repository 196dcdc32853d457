// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Threads that creel did not start, for the tests of sched/outside.h.

#pragma once

#include <future>
#include <thread>
#include <vector>

#include "test/runtime/fixture.h"

namespace creel::test {

// A thread that is attached when this returns: from then on fibers may wait for it without that being a deadlock.
template <typename F>
std::thread attached_thread(F f) {
  std::promise<void> attached;
  std::thread thread([&attached, f] {
    const creel::ThreadScope scope;
    attached.set_value();
    f();
  });
  creel::blocking([&attached] { attached.get_future().wait(); });
  return thread;
}

inline void join_all(std::vector<std::thread>& threads) {
  creel::blocking([&threads] {
    for (std::thread& thread : threads) thread.join();
  });
}

}  // namespace creel::test
