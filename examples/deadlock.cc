// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Two fibers lock two mutexes in opposite order. The runtime sees that nothing can ever run again, says so with the
// stack of every fiber, and the program ends with status 2.
//
// In the trace: both fibers block on "sync" and are never unblocked; main blocks in the WaitGroup.

#include <mutex>

#include <creel/creel.h>

#include "examples/arguments.h"

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "deadlock", 0, 0);
  return creel::run(creel::Options{}, [] {
    creel::Mutex left;
    creel::Mutex right;
    creel::Channel<void> left_locked;
    creel::WaitGroup wg;
    wg.go([&] {
      std::unique_lock first(left);
      left_locked.send();  // from here on the other fiber holds `right`
      std::unique_lock second(right);
    });
    wg.go([&] {
      std::unique_lock first(right);
      left_locked.recv();
      std::unique_lock second(left);
    });
    wg.wait();
  });
}
