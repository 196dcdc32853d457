// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Small programs in which something goes wrong, for faults_test.cc. Usage: fault_program MODE [FILE].
//
//   work           some fibers that hand numbers on; traced by CREEL_TRACE
//   latency FILE   start, generation change and stop while no processor reaches a safe point; prints microseconds.
//                  FILE holds the last trace
//   killed FILE    traces into FILE with short generations and dies of SIGKILL in the midst of it
//   start FILE     trace::start(FILE); prints what it throws
//   sink FILE      a trace by trace::start(FILE); prints the error of stop()

#include <creel/creel.h>
#include <creel/tracer/recorder.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

void hand_on(int rounds) {
  creel::Channel<int> numbers;
  creel::WaitGroup wg;
  wg.go([&] {
    for (int i = 0; i < rounds; ++i) numbers.send(i);
    numbers.close();
  });
  int received = 0;
  while (numbers.recv()) ++received;
  wg.wait();
  std::printf("received %d\n", received);
}

// Two processors, each in a loop that calls nothing.
int latency(const std::string& path) {
  creel::Options options;
  options.procs = 2;
  return creel::run(options, [&] {
    std::atomic<bool> stop{false};
    std::atomic<int> spinning{0};
    const auto spin = [&] {
      spinning.fetch_add(1);
      while (!stop.load(std::memory_order_relaxed)) {
      }
    };
    std::thread tracer([&] {
      while (spinning.load() < 2) std::this_thread::yield();
      for (int round = 0; round < 7; ++round) {
        const auto measure = [](const char* what, auto&& action) {
          const auto before = std::chrono::steady_clock::now();
          action();
          const auto after = std::chrono::steady_clock::now();
          std::printf(
              "%s %lld\n", what,
              static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(after - before).count()));
        };
        creel::trace::Session session;
        measure("start", [&] { session = creel::trace::start(path); });
        measure("advance", [] { creel::tracer::advance_generation(); });
        measure("stop", [&] { session.stop(); });
      }
      stop.store(true, std::memory_order_relaxed);
    });
    creel::WaitGroup wg;
    wg.go(spin);
    spin();
    wg.wait();
    creel::blocking([&] { tracer.join(); });
  });
}

int killed(const std::string& path) {
  creel::Options options;
  options.procs = 2;
  return creel::run(options, [&] {
    creel::trace::Options trace_options;
    trace_options.period = 20ms;
    creel::trace::Session session = creel::trace::start(path, trace_options);
    const auto end = std::chrono::steady_clock::now() + 400ms;
    creel::Channel<int> numbers;
    creel::go([&] {
      for (;;) numbers.send(1);
    });
    while (std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 100; ++i) numbers.recv();
      creel::sleep_for(1ms);  // keeps the trace small
    }
    ::kill(::getpid(), SIGKILL);
  });
}

int start(const std::string& path) {
  return creel::run(creel::Options{}, [&] {
    try {
      creel::trace::Session session = creel::trace::start(path);
      std::printf("started\n");
    } catch (const std::system_error& error) {
      std::printf("system_error %d: %s\n", error.code().value(), error.what());
    }
    hand_on(10);
  });
}

int sink(const std::string& path) {
  return creel::run(creel::Options{}, [&] {
    creel::trace::Options options;
    options.period = 1ms;
    creel::trace::Session session = creel::trace::start(path, options);
    for (int i = 0; i < 10; ++i) hand_on(2000);
    const std::error_code error = session.stop();
    std::printf("stop: %d %s\n", error.value(), error.message().c_str());
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const std::string path = argc > 2 ? argv[2] : "";
  if (mode == "work") return creel::run(creel::Options{}, [] { hand_on(1000); });
  if (mode == "latency") return latency(path);
  if (mode == "killed") return killed(path);
  if (mode == "start") return start(path);
  if (mode == "sink") return sink(path);
  std::fprintf(stderr, "usage: fault_program work|latency|killed|start|sink [FILE]\n");
  return 2;
}
