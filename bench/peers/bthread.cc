// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The benchmarks on bthread, the fibers of brpc. It accepts no fewer than four workers (BTHREAD_MIN_CONCURRENCY), so all of
// them are bound to `procs` CPUs. Stacks are normal ones of 1 MiB, without guard pages (its flag guard_page_size=0), as else
// Linux' default number of mappings is the limit. It has no channels: primitives.h has them, of its mutex and condition
// variable.

#include <sched.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <bthread/bthread.h>
#include <bthread/condition_variable.h>
#include <bthread/mutex.h>
#include <bthread/rwlock.h>
#include <gflags/gflags.h>

#include "bench/harness/backend.h"
#include "bench/harness/harness.h"
#include "bench/peers/suite.h"

namespace {

template <typename F>
void* call(void* argument) {
  const std::unique_ptr<F> function(static_cast<F*>(argument));
  (*function)();
  return nullptr;
}

struct Bthread {
  static constexpr std::array<bench::peers::Lack, 0> kLacks{};  // a stack is there from when a fiber begins to run

  using Mutex = bthread::Mutex;
  using Lock = std::unique_lock<bthread::Mutex>;
  using CondVar = bthread::ConditionVariable;
  template <typename T>
  using Channel = bench::peers::Channel<Bthread, T>;

  class RwMutex {
   public:
    void lock() { lock_.wrlock(); }
    void unlock() { lock_.unlock(); }
    void lock_shared() { lock_.rdlock(); }
    void unlock_shared() { lock_.unlock(); }

   private:
    bthread::RWLock lock_;
  };

  template <typename F>
  static void go(F&& function) {
    using Function = std::decay_t<F>;
    auto owned = std::make_unique<Function>(std::forward<F>(function));
    bthread_t id = 0;
    if (bthread_start_background(&id, nullptr, &call<Function>, owned.get()) != 0) {
      throw std::runtime_error("bthread_start_background failed");
    }
    owned.release();
  }
  static void yield() { bthread_yield(); }
  static void pause() { bthread_yield(); }
  static void sleep_for(std::chrono::nanoseconds duration) {
    bthread_usleep(static_cast<std::uint64_t>(duration.count() / 1000));
  }
};

const bool kAdded = bench::peers::add_rows<Bthread>();

// Sets one of brpc's flags. Errors: std::runtime_error where it has no such flag or does not accept the value.
void set_flag(const char* name, const std::string& value) {
  if (gflags::SetCommandLineOption(name, value.c_str()).empty()) {
    throw std::runtime_error("brpc does not accept " + value + " for its flag " + name);
  }
}

// Leaves this process the first `count` of its CPUs, or all if it has fewer.
void bind_to_cpus(int count) {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) throw std::system_error(errno, std::generic_category(), "sched_getaffinity");
  int left = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &cpus) && ++left > count) CPU_CLR(cpu, &cpus);
  }
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
}

}  // namespace

namespace bench {

bool backend_traces() noexcept { return false; }

BackendResult run_backend(const BackendOptions& options, const std::function<void()>& body) {
  set_flag("guard_page_size", "0");
  set_flag("task_group_runqueue_capacity", std::to_string(1 << 20));
  set_flag("bthread_concurrency", std::to_string(std::max(options.procs, BTHREAD_MIN_CONCURRENCY)));
  bind_to_cpus(options.procs);
  std::exception_ptr error;
  const auto main_fiber = [&] {
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
  };
  bthread_t id = 0;
  const auto start = [](void* argument) -> void* {
    (*static_cast<decltype(main_fiber)*>(argument))();
    return nullptr;
  };
  if (bthread_start_background(&id, nullptr, start, const_cast<void*>(static_cast<const void*>(&main_fiber))) != 0) {
    throw std::runtime_error("bthread_start_background failed");
  }
  bthread_join(id, nullptr);
  if (error) std::rethrow_exception(error);
  return {};
}

}  // namespace bench

int main(int argc, char** argv) { return bench::main_of("bthread", argc, argv); }
