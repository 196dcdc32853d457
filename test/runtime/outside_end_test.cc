// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Threads that creel did not start (sched/outside.h): misuse, the runtime's end, deadlocks.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/runtime/outside_util.h"

namespace creel::test {
namespace {

class OutsideDeath : public DeathTest {};

TEST_F(OutsideDeath, WithoutARuntimeAMessage) {
  EXPECT_DEATH(
      {
        creel::Channel<int> channel;
        channel.recv();
      },
      "creel::Channel::recv\\(\\) was called outside a fiber: it works inside creel::run\\(\\) only");
  EXPECT_DEATH(creel::go([] {}), "creel::go\\(\\) was called outside a fiber");
  EXPECT_DEATH(const creel::ThreadScope scope, "creel::ThreadScope was called outside a fiber");
  EXPECT_DEATH(
      {
        creel::Mutex mutex;
        mutex.lock();  // nothing to wait for
        mutex.unlock();
        mutex.lock();
        mutex.lock();
      },
      "creel::Mutex::lock\\(\\) was called outside a fiber");
}

// On a thread, while a runtime runs.
void on_a_thread(void (*what)()) {
  creel::run([what] {
    std::thread thread(what);
    creel::blocking([&thread] { thread.join(); });
  });
}

TEST_F(OutsideDeath, WhatNeedsAFiberSaysSo) {
  constexpr const char* kMessage = "was called on a thread that creel did not start: it needs a fiber, see creel::run_on";
  EXPECT_DEATH(on_a_thread([] { static_cast<void>(creel::net::TcpListener::bind("127.0.0.1:0")); }),
               std::string("creel::net::TcpListener::bind\\(\\) ") + kMessage);
  EXPECT_DEATH(on_a_thread([] { creel::set_procs(1); }), std::string("creel::set_procs\\(\\) ") + kMessage);
  EXPECT_DEATH(on_a_thread([] { const creel::PinScope pin; }), std::string("creel::PinScope ") + kMessage);
}

[[noreturn]] void leave_a_thread_inside() {
  static creel::Channel<int> never;
  static std::atomic<bool> waits{false};
  std::thread thread;
  const int status = creel::run([&thread] {
    thread = std::thread([] {
      const creel::ThreadScope scope;
      waits = true;
      never.recv();
      std::_Exit(1);
    });
    await([] { return waits.load() && creel::dump().find("chan receive") != std::string::npos; });
    return 5;
  });
  const int again = creel::run([] { return 6; });
  std::_Exit(status == 5 && again == 6 ? 0 : 1);  // no exit handlers: the thread is left behind on purpose
}

TEST_F(OutsideDeath, AThreadInsideACallStaysThereWhenTheRuntimeEnds) {
  EXPECT_EXIT(leave_a_thread_inside(), testing::ExitedWithCode(0), "workers are still inside");
}

// Threads that call all the time while the runtime ends: they stay in a call, and nothing breaks.
[[noreturn]] void end_under_calls() {
  static creel::Channel<int> channel(3);
  static creel::Mutex mutex;
  static std::atomic<int> calls{0};
  const int status = creel::run({.procs = 2, .log_level = "error"}, [] {
    for (int k = 0; k < 4; ++k) {
      std::thread([k] {
        for (;;) {
          if (k % 2 == 0) {
            channel.send(k);
          } else {
            static_cast<void>(channel.recv_for(1us));
          }
          creel::go([] {});
          const std::lock_guard lock(mutex);
          ++calls;
        }
      }).detach();
    }
    await([] { return calls.load() > 200; });
    return 5;
  });
  std::_Exit(status);
}

TEST_F(OutsideDeath, TheRuntimeEndsUnderCalls) {
  for (int i = 0; i < 3; ++i) EXPECT_EXIT(end_under_calls(), testing::ExitedWithCode(5), "");
}

TEST_F(OutsideDeath, ADeadlockIsFoundWhenTheThreadWaitsToo) {
  for (const std::uint32_t procs : {1u, 2u}) {
    EXPECT_EXIT(creel::run({.procs = procs}, [] {
                  static creel::Channel<int> never;
                  static creel::Mutex mutex;
                  mutex.lock();
                  std::thread([] { mutex.lock(); }).detach();
                  await([] { return creel::dump().find("[sync") != std::string::npos; });
                  static_cast<void>(never.recv());
                }),
                testing::ExitedWithCode(2), "all fibers are asleep - deadlock!");
  }
}

// The last one to go to sleep is the thread.
TEST_F(OutsideDeath, ADeadlockIsFoundByTheThread) {
  for (const std::uint32_t procs : {1u, 2u}) {
    EXPECT_EXIT(creel::run({.procs = procs}, [] {
                  static creel::Channel<int> never;
                  attached_thread([] {
                    while (creel::dump().find("[chan receive") == std::string::npos) std::this_thread::yield();
                    static_cast<void>(never.recv());
                  }).detach();
                  static_cast<void>(never.recv());
                }),
                testing::ExitedWithCode(2), "all fibers are asleep - deadlock!");
  }
}

TEST_F(OutsideDeath, ADeadlockIsFoundWhenNoThreadIsExpectedAnyMore) {
  EXPECT_EXIT(creel::run([] {
                static creel::Channel<int> never;
                std::thread([hold = creel::ExpectThreads()] {
                  while (creel::dump().find("[chan receive") == std::string::npos) std::this_thread::yield();
                }).detach();
                static_cast<void>(never.recv());
              }),
              testing::ExitedWithCode(2), "all fibers are asleep - deadlock!");
}

TEST_F(OutsideDeath, ADeadlockIsFoundWhenTheThreadHasGone) {
  EXPECT_EXIT(creel::run([] {
                static creel::Channel<int> never;
                std::thread([] { const creel::ThreadScope scope; }).detach();
                static_cast<void>(never.recv());
              }),
              testing::ExitedWithCode(2), "all fibers are asleep - deadlock!");
}

// A fiber and a thread, each with a lock that the other waits for: the report names both.
template <typename Lock>
void lock_in_a_circle(std::uint32_t procs) {
  creel::run({.procs = procs}, [] {
    static Lock ours;
    static Lock theirs;
    ours.lock();
    attached_thread([] {
      theirs.lock();
      ours.lock();
    }).detach();
    await([] { return creel::dump().find("[sync") != std::string::npos; });
    theirs.lock();
  });
}

TEST_F(OutsideDeath, ADeadlockNamesTheThreadThatHoldsALock) {
  const auto circle = [](const std::string& lock) {
    const std::string wait = "    fiber [0-9]+ waits for " + lock + " 0x[0-9a-f]+, held by fiber [0-9]+\n";
    return "all fibers are asleep - deadlock!\n\n2 fibers wait for one another's locks:\n" + wait + wait;
  };
  for (const std::uint32_t procs : {1u, 2u}) {
    EXPECT_EXIT(lock_in_a_circle<creel::Mutex>(procs), testing::ExitedWithCode(2), circle("Mutex"));
    EXPECT_EXIT(lock_in_a_circle<creel::RWMutex>(procs), testing::ExitedWithCode(2), circle("RWMutex"));
  }
}

// One thread is parked in a call, one computes between calls, one has not called yet.
[[noreturn]] void quit_with_threads_attached() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  creel::run({.procs = 2}, [] {
    static creel::Channel<int> never;
    attached_thread([] { static_cast<void>(never.recv()); }).detach();
    attached_thread([] {
      while (creel::dump().find("[chan receive") == std::string::npos) std::this_thread::yield();
      kill(getpid(), SIGQUIT);
      for (;;) pause();
    }).detach();
    std::thread([] {
      for (;;) pause();
    }).detach();
    creel::sleep_for(1h);
  });
  std::_Exit(1);
}

TEST_F(OutsideDeath, QuitDumpsThreadsToo) {
  EXPECT_EXIT(quit_with_threads_attached(), testing::ExitedWithCode(2),
              "creel: SIGQUIT: quit\n\n[^~]*fiber [0-9]+ \\[chan receive.*\\]:\n    waits for Channel[^~]*fiber [0-9]+ \\[blocking call\\]:");
}

// Timers that nobody has stopped belong to nobody's heap when the runtime has ended.
TEST(OutsideEnd, TimersOutliveTheRuntime) {
  std::unique_ptr<creel::Timer> timer;
  creel::Context context = creel::Context::background();
  std::promise<void> made;
  std::promise<void> end;
  std::thread thread;
  creel::run([&] {
    timer = std::make_unique<creel::Timer>(1h);
    context = creel::Context::background().with_timeout(1h);
    thread = std::thread([&] {
      creel::Timer own(1h);
      made.set_value();
      end.get_future().wait();
    });
    creel::blocking([&] { made.get_future().wait(); });
  });
  EXPECT_FALSE(timer->stop());
  timer.reset();
  context = creel::Context::background();
  end.set_value();
  thread.join();
}

// The runtime ends while threads stop theirs.
TEST(OutsideEnd, TimersAreStoppedWhileTheRuntimeEnds) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> go{false};
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    creel::run([&] {
      for (int k = 0; k < 2; ++k) {
        threads.push_back(attached_thread([&go, &ready] {
          std::vector<std::unique_ptr<creel::Timer>> timers;
          for (int n = 0; n < 50; ++n) timers.push_back(std::make_unique<creel::Timer>(1h));
          ++ready;  // to stop one is no call that the end would keep the thread in
          while (!go) std::this_thread::yield();
          for (auto& timer : timers) static_cast<void>(timer->stop());
        }));
      }
      await([&ready] { return ready.load() == 2; });
      go = true;
    });
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace creel::test
