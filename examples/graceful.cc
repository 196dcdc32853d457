// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Graceful shutdown by a context: stop taking work in, finish what has been taken, give up on what takes too long.
// Usage: graceful [MILLISECONDS], default 50.
//
// In the trace: when the time is up all who wait with the context wake in one instant (the source on "chan receive" of
// its ticker, the idle workers on theirs), the busy ones end their job first, and only then the task "shutdown" ends. A
// stuck job blocks on "sleep" until the grace period wakes it.

#include <atomic>
#include <chrono>

#include <fmt/core.h>

#include <creel/creel.h>

#include "examples/arguments.h"

namespace {

using namespace std::chrono_literals;

// One request each millisecond, until `context` ends.
int take_requests(const creel::Context& context, creel::Channel<int>& requests) {
  creel::Ticker ticker(1ms);
  int taken = 0;
  do {
    if (requests.send(taken, context)) ++taken;
  } while (ticker.channel().recv(context));
  requests.close();  // the workers empty it
  return taken;
}

// True: answered. Request 0 would take an hour, and is given up with `grace`; the others are short and always finished.
bool answer(const creel::Context& grace, int request) {
  if (request == 0) return creel::sleep_for(grace, 1h);
  creel::sleep_for(1ms);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "graceful [MILLISECONDS]", 0, 1);
  const int time = arguments.number(1, "MILLISECONDS", 50);
  return creel::run(creel::Options{}, [time] {
    // In a server a signal would cancel it.
    const creel::Context serving = creel::Context::background().with_timeout(std::chrono::milliseconds(time));
    auto [grace, give_up] = serving.without_cancel().with_cancel();
    creel::Channel<int> requests(8);
    std::atomic<int> answered = 0;
    int taken = 0;

    creel::Scope scope(grace);
    scope.go({.name = "source"}, [&] { taken = take_requests(serving, requests); });
    for (int i = 0; i < 4; ++i) {
      scope.go({.name = "worker"}, [&](const creel::Context& context) {
        for (int request : requests) answered += answer(context, request) ? 1 : 0;
      });
    }

    creel::wait_done(serving);
    creel::trace::Task task("shutdown");
    const creel::Timer grace_period(20ms, [cancel = give_up] { cancel(); });
    scope.join();
    task.end();
    const bool all = answered == taken - 1;
    fmt::print("{} but the stuck one answered after shutdown began\n", all ? "all" : "not all");
  });
}
