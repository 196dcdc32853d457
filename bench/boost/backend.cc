// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The benchmarks' backend on Boost.Fiber: `procs` threads under shared_work, which sleep when idle (suspend).

#include "bench/harness/backend.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/fiber/all.hpp>

#include "bench/harness/harness.h"

namespace bench {

bool backend_traces() noexcept { return false; }

BackendResult run_backend(const BackendOptions& options, const std::function<void()>& body) {
  boost::fibers::mutex mutex;
  boost::fibers::condition_variable ended;
  bool done = false;
  std::vector<std::thread> threads;
  for (int i = 1; i < options.procs; ++i) {
    threads.emplace_back([&] {
      boost::fibers::use_scheduling_algorithm<boost::fibers::algo::shared_work>(true);
      std::unique_lock lock(mutex);
      ended.wait(lock, [&] { return done; });
    });
  }
  boost::fibers::use_scheduling_algorithm<boost::fibers::algo::shared_work>(true);
  std::exception_ptr error;
  // A fiber of its own: a thread's main fiber would be bound to its thread.
  boost::fibers::fiber([&] {
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  {
    const std::unique_lock lock(mutex);
    done = true;
  }
  ended.notify_all();
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
  return {};
}

}  // namespace bench

int main(int argc, char** argv) { return bench::main_of("boost", argc, argv); }
