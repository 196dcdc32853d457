// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the test of scripts/creel-gdb.py looks at: fibers that wait, sleep, run, and have not run yet. With the argument
// "core" the program aborts when they do.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "creel/creel.h"

namespace {

std::atomic<bool> spinning{false};

__attribute__((noinline)) void wait_in_vain(creel::Channel<int>& gate) {
  static_cast<void>(gate.recv());
  asm volatile("" ::: "memory");  // no tail call
}

__attribute__((noinline)) void dream() {
  creel::sleep_for(std::chrono::hours(1));
  asm volatile("" ::: "memory");
}

__attribute__((noinline)) void spin_for_ever() {
  spinning.store(true);
  for (;;) asm volatile("");
}

}  // namespace

// The breakpoint.
extern "C" __attribute__((noinline)) void all_are_in_place(bool end) {
  asm volatile("" ::: "memory");
  if (end) std::abort();
}

int main(int argc, char** argv) {
  const bool end = argc > 1 && std::strcmp(argv[1], "core") == 0;
  return creel::run({.procs = 1}, [end] {
    creel::Channel<int> gate;
    creel::go({.name = "waiter"}, [&gate] { wait_in_vain(gate); });
    creel::go({.name = "dreamer"}, dream);
    while (creel::stats().parks != 2) creel::yield();  // this fiber runs on the only P: the others are parked
    creel::set_procs(2);
    creel::go({.name = "spinner"}, spin_for_ever);
    while (!spinning.load()) creel::yield();
    all_are_in_place(end);
  });
}
