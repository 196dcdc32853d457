// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The benchmarks on marl: its scheduler with `procs` worker threads. It has no yield, no rwmutex and no channels
// (primitives.h has them, of its mutex and condition variable); its mutex blocks the thread. Every blocking_call() is a new
// thread. A task has a stack from when it begins to run, so that a million may be queued, though not wait.

#include <array>
#include <chrono>
#include <exception>
#include <functional>
#include <string_view>
#include <thread>
#include <utility>

#include <marl/blockingcall.h>
#include <marl/conditionvariable.h>
#include <marl/mutex.h>
#include <marl/scheduler.h>
#include <marl/waitgroup.h>

#include "bench/harness/backend.h"
#include "bench/harness/harness.h"
#include "bench/peers/suite.h"

namespace {

struct Marl {
  static constexpr std::string_view kTooMany =
      "two guard pages per stack: a million waiting fibers need more mappings than Linux allows by default";
  static constexpr std::array kLacks{bench::peers::Lack{"skynet", kTooMany}, bench::peers::Lack{"parked", kTooMany},
                                     bench::peers::Lack{"sleep_million", kTooMany}};

  using Mutex = marl::mutex;
  using Lock = marl::lock;
  using CondVar = marl::ConditionVariable;
  template <typename T>
  using Channel = bench::peers::Channel<Marl, T>;

  template <typename F>
  static void go(F&& function) {
    marl::schedule(std::forward<F>(function));
  }
  static void pause() { std::this_thread::yield(); }
  static void sleep_for(std::chrono::nanoseconds duration) {
    marl::Scheduler::Fiber::current()->wait(
        std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(duration));
  }
  template <typename F>
  static auto blocking(F&& function) {
    return marl::blocking_call(std::forward<F>(function));
  }
};

const bool kAdded = bench::peers::add_rows<Marl>();

}  // namespace

namespace bench {

bool backend_traces() noexcept { return false; }

BackendResult run_backend(const BackendOptions& options, const std::function<void()>& body) {
  marl::Scheduler scheduler(marl::Scheduler::Config().setWorkerThreadCount(options.procs));
  scheduler.bind();
  marl::WaitGroup ended(1);
  std::exception_ptr error;
  marl::schedule([&, ended] {
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
    ended.done();
  });
  ended.wait();
  marl::Scheduler::unbind();
  if (error) std::rethrow_exception(error);
  return {};
}

}  // namespace bench

int main(int argc, char** argv) { return bench::main_of("marl", argc, argv); }
