// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A pipeline of three stages with a slow middle: numbers, four squarers, a sum. Usage: pipeline [COUNT], default
// 10,000.
//
// In the trace: the producer blocks on "chan send" when the squarers are behind; the squarers keep every P busy; a log
// line every thousand results shows the progress of the task "pipeline".

#include <cstdint>

#include <fmt/core.h>

#include <creel/creel.h>

#include "examples/arguments.h"

namespace {

// Squares by adding, so that a stage has something to do.
std::int64_t slow_square(std::int64_t number) {
  volatile std::int64_t sum = 0;
  for (std::int64_t i = 0; i < number; ++i) sum = sum + number;
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "pipeline [COUNT]", 0, 1);
  const auto count = arguments.number<std::int64_t>(1, "COUNT", 10'000);
  return creel::run(creel::Options{}, [count] {
    creel::trace::Task task("pipeline");
    creel::Channel<std::int64_t> numbers(64);
    creel::Channel<std::int64_t> squares(64);
    creel::WaitGroup squarers;
    creel::WaitGroup stages;
    stages.go([&numbers, count] {
      for (std::int64_t number = 1; number <= count; ++number) numbers.send(number);
      numbers.close();
    });
    for (int i = 0; i < 4; ++i) {
      squarers.go([&numbers, &squares] {
        for (std::int64_t number : numbers) squares.send(slow_square(number));
      });
    }
    stages.go([&squarers, &squares] {
      squarers.wait();
      squares.close();
    });
    std::int64_t sum = 0;
    std::int64_t results = 0;
    for (std::int64_t square : squares) {
      sum += square;
      if (++results % 1000 == 0) {
        creel::trace::log(task, "progress", [&] { return fmt::format("{} of {}", results, count); });
      }
    }
    stages.wait();  // the channels live here, so nobody may still be inside them
    fmt::print("sum of {} squares: {}\n", results, sum);
  });
}
