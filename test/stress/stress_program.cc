// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// One run of the random program under a tracer that is switched on and off all the time.
//
//   stress_program SEED DIRECTORY [migrate]
//
// Writes DIRECTORY/0.trace, 1.trace, ... and prints "steps N traces N". The number of processors, the generation period
// (down to 0), the header level and who starts and stops the trace (a fiber or a foreign thread) follow from the seed.
// The actors go on until the last trace is written. `migrate`: every resume of a fiber happens on another thread.

#include <creel/creel.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>
#include <string_view>
#include <thread>

#include "test/stress/actors.h"

namespace {

using namespace std::chrono_literals;

creel::trace::Options any_options(std::mt19937& random) {
  creel::trace::Options options;
  constexpr int kLevels[] = {23, 23, 22, 25, 26};
  options.level = kLevels[random() % std::size(kLevels)];
  constexpr std::chrono::nanoseconds kPeriods[] = {0ns, 100us, 1ms, 5ms, 1s};
  options.period = kPeriods[random() % std::size(kPeriods)];
  return options;
}

// Traces `sessions` times, one after the other. Returns how many; -1 after an error.
template <typename Sleep>
int trace_often(const std::string& directory, std::mt19937& random, int sessions, Sleep sleep) {
  for (int session_index = 0; session_index < sessions; ++session_index) {
    const std::string path = directory + "/" + std::to_string(session_index) + ".trace";
    try {
      creel::trace::Session session = creel::trace::start(path, any_options(random));
      // The last one is long, so that each run leaves a trace with much in it; the others may be next to nothing.
      const bool is_last = session_index + 1 == sessions;
      sleep(std::chrono::microseconds(is_last ? 30'000 : random() % 4 == 0 ? random() % 200 : random() % 20'000));
      if (const std::error_code error = session.stop()) {
        std::fprintf(stderr, "%s: stop: %s\n", path.c_str(), error.message().c_str());
        return -1;
      }
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return -1;
    }
    if (random() % 4 == 0) sleep(std::chrono::microseconds(random() % 2'000));
  }
  return sessions;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: stress_program SEED DIRECTORY [migrate]\n");
    return 2;
  }
  const auto seed = static_cast<std::uint32_t>(std::strtoul(argv[1], nullptr, 10));
  const std::string directory = argv[2];
  std::mt19937 random(seed);
  creel::Options options;
  options.procs = static_cast<std::uint32_t>(random() % 4) + 1;
  options.force_migration = argc > 3 && std::string_view(argv[3]) == "migrate";
  const bool from_thread = random() % 3 == 0;
  const int sessions = static_cast<int>(random() % 6) + 3;

  std::uint64_t steps = 0;
  int traces = 0;
  bool consistent = true;
  const int status = creel::run(options, [&] {
    std::atomic<bool> done{false};  // release when the last trace is stopped, acquire by who runs the actors
    creel::WaitGroup tracer;
    std::thread thread;
    if (from_thread) {
      thread = std::thread([&] {
        traces = trace_often(directory, random, sessions, [](auto duration) { std::this_thread::sleep_for(duration); });
        done.store(true, std::memory_order_release);
      });
    } else {
      tracer.go([&] {
        traces = trace_often(directory, random, sessions, [](auto duration) { creel::sleep_for(duration); });
        done.store(true, std::memory_order_release);
      });
    }
    for (std::uint32_t round = 0; consistent && !done.load(std::memory_order_acquire); ++round) {
      const std::uint64_t done_now = creel::stress::run_actors({.seed = seed * 1000 + round});
      consistent = done_now > 0;
      steps += done_now;
    }
    if (thread.joinable()) creel::blocking([&] { thread.join(); });
    tracer.wait();
  });
  if (!consistent) std::fprintf(stderr, "an update under the mutex was lost\n");
  std::printf("steps %llu traces %d\n", static_cast<unsigned long long>(steps), traces);
  return status != 0 ? status : consistent && traces > 0 ? 0 : 1;
}
