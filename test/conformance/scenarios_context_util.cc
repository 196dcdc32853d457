// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Contexts and timers. Not here: a deadline, whose cancellation Go runs in a goroutine of its own (README.md).

#include <creel/creel.h>

#include <chrono>
#include <cstdlib>

#include "test/conformance/scenarios_util.h"

namespace creel::test {
namespace {

using namespace std::chrono_literals;

void context_cancel() {
  auto [context, cancel] = Context::background().with_cancel();
  WaitGroup wg;
  wg.go([given = context] { wait_done(given); });
  yield();
  cancel();
  wg.wait();
}

void context_tree() {
  auto [parent, cancel] = Context::background().with_cancel();
  const Context child = parent.with_timeout(1h);
  WaitGroup wg;
  wg.go([&child] { wait_done(child); });
  yield();
  cancel();
  wg.wait();
}

void context_select() {
  auto [context, cancel] = Context::background().with_cancel();
  Channel<int> c;
  WaitGroup wg;
  wg.go([&c, given = context] {
    for (bool ended = false; !ended;) select(on_recv(c), on_done(given, [&] { ended = true; }));
  });
  yield();
  c.send(1);
  yield();
  cancel();
  wg.wait();
}

void context_after_func() {
  auto [context, cancel] = Context::background().with_cancel();
  WaitGroup wg;
  wg.add(1);
  after_func(context, [&wg] { wg.done(); });
  AfterFunc stopped = after_func(context, [] { std::abort(); });
  stopped.stop();
  cancel();
  wg.wait();
}

void timer_func() {
  WaitGroup wg;
  wg.add(1);
  const Timer timer(1ms, [&wg] { wg.done(); });
  wg.wait();
}

constexpr Scenario kScenarios[] = {
    {.name = "context_cancel", .run = context_cancel},
    {.name = "context_tree", .run = context_tree},
    {.name = "context_select", .run = context_select},
    {.name = "context_after_func", .run = context_after_func},
    {.name = "timer_func", .run = timer_func},
};

}  // namespace

std::span<const Scenario> context_scenarios() { return kScenarios; }

}  // namespace creel::test
