// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Programs whose course depends on the schedule. Usage: fuzz_program MODE, with CREEL_FUZZ and CREEL_TRACE to choose.
//
//   mixed     fibers that use most of sync/, timers and sleeps; prints who did what in which order
//   deadlock  two fibers take two mutexes, one the other way round
//   throws    a fiber throws if it is overtaken

#include <creel/creel.h>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;

void say(const char* who, int number) { std::printf("%s %d at %lld\n", who, number, [] {
    static const creel::Clock::time_point start = creel::Clock::now();
    return static_cast<long long>((creel::Clock::now() - start).count());
  }()); }

int mixed() {
  creel::Channel<int> numbers(2);
  creel::Channel<int> results;
  creel::Mutex mutex;
  creel::CondVar changed;
  creel::Semaphore permits(2);
  int total = 0;
  creel::WaitGroup workers;
  for (int id = 0; id < 4; ++id) {
    workers.go([&, id] {
      while (const std::optional<int> number = numbers.recv()) {
        permits.acquire();
        say("took", id * 1000 + *number);
        if (*number % 5 == 0) creel::sleep_for(std::chrono::milliseconds(*number));
        if (*number % 7 == 0) creel::yield();
        permits.release();
        results.send(*number);
      }
    });
  }
  creel::WaitGroup others;
  others.go([&] {
    for (int i = 0; i < 60; ++i) numbers.send(i);
    numbers.close();
  });
  others.go([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return total >= 100; });
    say("saw", total);
  });
  others.go([&] {
    creel::Timer timer(30ms);
    for (bool open = true; open;) {
      creel::select(creel::on_recv(results,
                                   [&](std::optional<int> number) {
                                     if (!number) {
                                       open = false;
                                       return;
                                     }
                                     std::lock_guard lock(mutex);
                                     total += *number;
                                     changed.notify_all();
                                   }),
                    creel::on_recv(timer.channel(), [&](auto) { say("timer", total); }));
    }
  });
  workers.wait();
  results.close();
  others.wait();
  say("total", total);
  return total == 60 * 59 / 2 ? 0 : 1;
}

int deadlock() {
  creel::Mutex first;
  creel::Mutex second;
  creel::WaitGroup wg;
  const auto both = [](creel::Mutex& one, creel::Mutex& other) {
    std::lock_guard lock(one);
    std::lock_guard inner(other);
  };
  wg.go([&] { both(first, second); });
  wg.go([&] { both(second, first); });
  wg.wait();
  std::printf("no deadlock\n");
  return 0;
}

int throws() {
  int step = 0;
  creel::WaitGroup wg;
  wg.go([&] {
    const int before = ++step;
    creel::checkpoint();
    if (step != before) throw std::runtime_error("overtaken");
  });
  wg.go([&] { ++step; });
  wg.wait();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc == 2 ? argv[1] : "";
  return creel::run([mode] {
    if (mode == "mixed") return mixed();
    if (mode == "deadlock") return deadlock();
    if (mode == "throws") return throws();
    std::fprintf(stderr, "Usage: fuzz_program mixed|deadlock|throws\n");
    return 64;
  });
}
