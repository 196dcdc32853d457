// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The benchmarks on Photon (PhotonLibOS): `procs` vCPUs, a thread each, without an event engine as there is no I/O (its work
// pools' default). A Photon thread stays on its vCPU, so go() deals new ones out in turns, as its work pools do. Stacks are of
// 256 KiB, creel's size (its own is 8 MiB, of which its pool keeps no thousand), from its pool for all vCPUs. Channels are those
// of primitives.h, of its mutex and condition variable: its own one looks into the queue before it says that it will wait, so
// that two vCPUs can miss each other. Rows with fibers of two vCPUs that meet in one mutex are slow rather than stuck: what
// the mutex is made of is a spinlock that pauses longer and longer, up to 1024 times, while the other vCPU holds it.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <photon/common/alog.h>
#include <photon/photon.h>
#include <photon/thread/thread.h>
#include <photon/thread/thread11.h>

#include "bench/harness/backend.h"
#include "bench/harness/harness.h"
#include "bench/peers/suite.h"

namespace {

std::vector<photon::vcpu_base*> vcpus;  // of all threads, before the first benchmark

struct Photon {
  static constexpr std::string_view kTooMany =
      "a mapping and a guard page per fiber from its creation on: a million need more mappings than Linux allows by default";
  static constexpr std::array kLacks{bench::peers::Lack{"spawn_million", kTooMany}, bench::peers::Lack{"skynet", kTooMany},
                                     bench::peers::Lack{"parked", kTooMany},
                                     bench::peers::Lack{"sleep_million", kTooMany}};

  using Mutex = photon::mutex;
  using Lock = std::unique_lock<photon::mutex>;

  class CondVar {
   public:
    template <typename Predicate>
    void wait(Lock& lock, Predicate&& predicate) {
      while (!predicate()) condition_.wait(lock.mutex());
    }
    void notify_one() { condition_.notify_one(); }
    void notify_all() { condition_.notify_all(); }

   private:
    photon::condition_variable condition_;
  };

  class RwMutex {
   public:
    void lock() { lock_.lock(photon::WLOCK); }
    void unlock() { lock_.unlock(); }
    void lock_shared() { lock_.lock(photon::RLOCK); }
    void unlock_shared() { lock_.unlock(); }

   private:
    photon::rwlock lock_;
  };

  template <typename T>
  using Channel = bench::peers::Channel<Photon, T>;

  template <typename F>
  static void go(F&& function) {
    photon::thread* const fiber = photon::thread_create11(kStack, std::forward<F>(function));
    if (fiber == nullptr) throw std::runtime_error("photon::thread_create failed");
    photon::vcpu_base* const place = vcpus[next_.fetch_add(1, std::memory_order_relaxed) % vcpus.size()];
    if (place != photon::get_vcpu() && photon::thread_migrate(fiber, place) != 0) {
      throw std::runtime_error("photon::thread_migrate failed");
    }
  }
  static void yield() { photon::thread_yield(); }
  static void pause() { photon::thread_yield(); }
  static void sleep_for(std::chrono::nanoseconds duration) {
    photon::thread_usleep(static_cast<std::uint64_t>(duration.count() / 1000));
  }

 private:
  static constexpr std::uint64_t kStack = 256 << 10;
  static inline std::atomic<std::size_t> next_{0};
};

const bool kAdded = bench::peers::add_rows<Photon>();

}  // namespace

namespace bench {

bool backend_traces() noexcept { return false; }

BackendResult run_backend(const BackendOptions& options, const std::function<void()>& body) {
  log_output_level = ALOG_WARN;
  log_output = log_output_stderr;  // standard output is for the result
  photon::PhotonOptions settings;
  settings.use_pooled_stack_allocator = photon::STACK_ALLOCATOR_GLOBAL_POOLED;
  const auto init = [&settings] { return photon::init(photon::INIT_EVENT_NONE, photon::INIT_IO_NONE, settings); };
  if (init() != 0) throw std::runtime_error("photon::init failed");
  vcpus.assign(static_cast<std::size_t>(options.procs), nullptr);
  vcpus[0] = photon::get_vcpu();
  photon::semaphore started;
  photon::semaphore ended;
  std::vector<std::thread> threads;
  for (int i = 1; i < options.procs; ++i) {
    threads.emplace_back([&init, &started, &ended, i] {
      if (init() != 0) std::terminate();
      vcpus[static_cast<std::size_t>(i)] = photon::get_vcpu();
      started.signal(1);
      ended.wait(1);
      photon::fini();
    });
  }
  if (!threads.empty()) started.wait(threads.size());
  std::exception_ptr error;
  photon::semaphore done;
  photon::thread_create11([&] {
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
    done.signal(1);
  });
  done.wait(1);
  if (!threads.empty()) ended.signal(threads.size());
  for (std::thread& thread : threads) thread.join();
  photon::fini();
  if (error) std::rethrow_exception(error);
  return {};
}

}  // namespace bench

int main(int argc, char** argv) { return bench::main_of("photon", argc, argv); }
