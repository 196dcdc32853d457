// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Sleeping, yielding, spawning, syscalls, annotations, preemption.

#include <creel/creel.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>

#include "test/conformance/scenarios_util.h"

namespace creel::test {
namespace {

using namespace std::chrono_literals;

void sleep_one() { sleep_for(1ms); }

void sleep_order() {
  WaitGroup wg;
  for (int i = 1; i <= 3; ++i) {
    wg.go([i] { sleep_for((4 - i) * 2ms); });
  }
  wg.wait();
}

void yield_many() {
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([] {
      yield();
      yield();
    });
  }
  wg.wait();
}

void yield_alone() {
  yield();
  yield();
}

void spawn_tree() {
  WaitGroup wg;
  std::function<void(int)> spawn = [&](int depth) {
    if (depth == 0) return;
    for (int i = 0; i < 2; ++i) {
      wg.go([&spawn, depth] { spawn(depth - 1); });
    }
  };
  spawn(3);
  wg.wait();
}

// More than a local run queue holds.
void spawn_overflow() {
  WaitGroup wg;
  for (int i = 0; i < 300; ++i) wg.go([] {});
  wg.wait();
}

void syscall_short() {
  static const int kZero = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  char one = 0;
  for (int i = 0; i < 3; ++i) {
    if (blocking([&] { return ::read(kZero, &one, 1); }) != 1) return;  // the missing events fail the test
  }
}

// Long enough for the monitor to take the processor away, with nobody else to run on it.
void syscall_long() {
  WaitGroup wg;
  wg.go([] {
    blocking([] {
      const timespec duration{0, 200'000'000};
      ::nanosleep(&duration, nullptr);
    });
  });
  wg.wait();
}

// The processor of a fiber in a long call runs the other one meanwhile.
void syscall_hands_off() {
  WaitGroup wg;
  wg.go([] { yield(); });
  wg.go([] {
    blocking([] {
      const timespec duration{0, 200'000'000};
      ::nanosleep(&duration, nullptr);
    });
  });
  wg.wait();
}

// Nobody is stopped, or moved, by more and fewer processors.
void set_procs_up_and_down() {
  set_procs(3);
  set_procs(1);
  WaitGroup wg;
  wg.go([] { yield(); });
  wg.wait();
}

void annotations() {
  trace::Task task("outer");
  trace::with_region(task, "region", [&] {
    trace::log(task, "category", "message");
    trace::Task child(task, "inner");
    trace::Region region(child, "nested");
    trace::log(child, "weird", "quote \" newline \n tab \t umlaut \u00fc");
    region.end();
    child.end();
  });
  WaitGroup wg;
  wg.go([&] {
    trace::with_region(task, "other goroutine", [] { yield(); });
    task.end();
  });
  wg.wait();
}

volatile std::uint64_t g_sum;

void preempt_loop() {
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([] {
      const auto end = std::chrono::steady_clock::now() + 120ms;
      std::uint64_t sum = 0;
      while (std::chrono::steady_clock::now() < end) {
        for (std::uint64_t k = 0; k < 1000; ++k) sum += k ^ sum << 1;
        checkpoint();  // where Go needs none
      }
      g_sum = sum;
    });
  }
  wg.wait();
}

constexpr Scenario kScenarios[] = {
    {.name = "sleep", .run = sleep_one},
    {.name = "sleep_order", .run = sleep_order, .any_order = true},
    {.name = "yield", .run = yield_many},
    {.name = "yield_alone", .run = yield_alone},
    {.name = "spawn_tree", .run = spawn_tree},
    {.name = "spawn_overflow", .run = spawn_overflow},
    {.name = "syscall_short", .run = syscall_short},
    {.name = "syscall_long", .run = syscall_long, .is_long = true, .loses_processor = true},
    {.name = "syscall_hands_off", .run = syscall_hands_off, .is_long = true, .loses_processor = true},
    {.name = "set_procs", .run = set_procs_up_and_down},
    {.name = "annotations", .run = annotations},
    {.name = "preempt_loop", .run = preempt_loop, .is_long = true, .may_preempt = true, .any_order = true},
};

}  // namespace

std::span<const Scenario> sched_scenarios() { return kScenarios; }

}  // namespace creel::test
