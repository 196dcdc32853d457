// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Two fibers pass a number back and forth over unbuffered channels. Usage: ping_pong [ROUNDS], default 100,000.
//
// In the trace: each fiber runs for well under a microsecond, then blocks on "chan receive" or "chan send"; the one it
// woke starts next on the same P. The blocking profile names the two lines that wait.

#include <chrono>

#include <fmt/core.h>

#include <creel/creel.h>

#include "examples/arguments.h"

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "ping_pong [ROUNDS]", 0, 1);
  const int rounds = arguments.number(1, "ROUNDS", 100'000);
  return creel::run(creel::Options{}, [rounds] {
    creel::Channel<int> ping;
    creel::Channel<int> pong;
    creel::WaitGroup wg;
    wg.go([&] {
      for (int ball : ping) pong.send(ball + 1);
    });
    const auto start = std::chrono::steady_clock::now();
    int ball = 0;
    for (int round = 0; round < rounds; ++round) {
      ping.send(ball);
      ball = pong.recv().value();
    }
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    ping.close();
    wg.wait();
    fmt::print("{} round trips, {:.0f} ns each\n", ball, elapsed.count() / (rounds > 0 ? rounds : 1));
  });
}
