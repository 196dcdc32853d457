// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The benchmarks on libgo 3: `procs` threads of its scheduler, its channels, stacks of 1 MiB from malloc without guard pages,
// as by default. Its threads sleep when idle; a dispatcher thread moves coroutines between them every millisecond.

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "bench/harness/backend.h"
#include "bench/harness/harness.h"
#include "bench/peers/suite.h"

// Last, as it defines macros: of them `go` is a name here, and __const__ one of the compiler.
#include <libgo/coroutine.h>
#undef go
#undef __const__

namespace {

struct Libgo {
  static constexpr std::array kLacks{bench::peers::Lack{
      "rwmutex_8", "its co_rwmutex loses wake-ups between two threads: one run in five does not end"}};

  using Mutex = co::co_mutex;
  using Lock = std::unique_lock<co::co_mutex>;
  using CondVar = co::co_condition_variable;
  using RwMutex = co::co_rwmutex;

  template <typename T>
  class Channel {
   public:
    explicit Channel(std::size_t capacity = 0) : channel_(capacity) {}
    void send(T value) { channel_.push(value); }
    bool recv(T& value) { return channel_.pop(value); }
    void close() { channel_.Close(); }

   private:
    co::co_chan<T> channel_;
  };

  template <typename F>
  static void go(F&& function) {
    co_sched.CreateTask(std::forward<F>(function), co::TaskOpt());
  }
  static void yield() { co_yield_now(); }
  static void pause() { co_yield_now(); }
  static void sleep_for(std::chrono::nanoseconds duration) {
    ::usleep(static_cast<useconds_t>(duration.count() / 1000));  // libgo's own: it parks the coroutine
  }

 private:
  static void co_yield_now() { co::Processer::StaticCoYield(); }
};

const bool kAdded = bench::peers::add_rows<Libgo>();

}  // namespace

namespace bench {

bool backend_traces() noexcept { return false; }

BackendResult run_backend(const BackendOptions& options, const std::function<void()>& body) {
  std::thread scheduler([&options] { co_sched.Start(options.procs, options.procs); });
  std::promise<void> ended;
  std::exception_ptr error;
  Libgo::go([&] {
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
    ended.set_value();
  });
  ended.get_future().wait();
  co_sched.Stop();
  scheduler.join();
  if (error) std::rethrow_exception(error);
  return {};
}

}  // namespace bench

int main(int argc, char** argv) { return bench::main_of("libgo", argc, argv); }
