// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Random legal schedules on several threads, judged by Go's reader; generations much shorter than in use.

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "creel/tracer/trace.h"
#include "test/support/go_trace.h"
#include "test/tracer/model.h"

namespace creel::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr int kWorkers = 4;
constexpr std::uint32_t kProcs = 3;

// One thread's life until `stop`: a random walk over the transitions that are legal in its state.
void random_worker(Model& model, std::uint64_t seed, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  const auto one_in = [&](std::uint64_t n) { return random() % n == 0; };
  const auto pause = [&](std::uint64_t max_us) { std::this_thread::sleep_for(microseconds(random() % (max_us + 1))); };
  ModelWorker w(model);
  while (!stop.load()) {
    if (w.proc() == nullptr) {
      if (!w.proc_start()) pause(100);
      continue;
    }
    if (w.fiber() == nullptr) {
      if (one_in(20)) {
        w.proc_stop();
        pause(300);  // the P may go to another thread, this one is silent
      } else if (one_in(10)) {
        w.unblock();  // from the scheduler: a P, no fiber
      } else if (!w.start()) {
        if (!w.unblock()) w.create();  // the creator is the scheduler
      }
      continue;
    }
    switch (random() % 16) {
      case 0:
        if (model.fibers() < 3000) w.create(one_in(2) ? "named" : nullptr);
        break;
      case 1:
      case 2:
        w.yield();
        break;
      case 3:
      case 4:
        w.block();
        break;
      case 5:
      case 6:
        w.unblock();
        break;
      case 7:
        w.destroy();
        break;
      case 8:
      case 9:
        w.syscall_enter();
        if (one_in(3)) pause(200);
        w.syscall_return(one_in(2));
        break;
      case 10: {
        trace::Region outer("outer");
        trace::Task task("task");
        trace::Region inner(task, "inner");
        trace::log(task, "category", "message " + std::to_string(random() % 100));
        break;
      }
      case 11:
        trace::label("label");
        break;
      case 12:
        pause(1500);
        break;  // computes through several generations without an event
      default:
        std::this_thread::yield();
        break;
    }
  }
}

// A thread that never holds a P: steals from syscalls and wakes fibers.
void random_monitor(Model& model, std::uint64_t seed, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  ModelWorker w(model);
  while (!stop.load()) {
    w.steal(model.proc(random() % model.procs()));
    if (random() % 4 == 0) w.unblock();
    std::this_thread::sleep_for(microseconds(random() % 100));
  }
}

struct Case {
  int level;
  microseconds period;
};

class RandomModel : public testing::TestWithParam<Case> {};

TEST_P(RandomModel, GoAcceptsEveryTrace) {
  CREEL_REQUIRE_GO_TRACE();
  Model model(kProcs);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kWorkers; ++i) threads.emplace_back([&, i] { random_worker(model, 100 + i, stop); });
  threads.emplace_back([&] { random_monitor(model, 7, stop); });
  threads.emplace_back([&] {  // threads come and go during a session
    for (std::uint64_t seed = 1000; !stop.load(); ++seed) {
      std::atomic<bool> short_stop{false};
      std::thread guest([&] { random_worker(model, seed, short_stop); });
      std::this_thread::sleep_for(milliseconds(2));
      short_stop = true;
      guest.join();
    }
  });

  tracer::RecorderOptions options;
  options.level = GetParam().level;
  options.period = GetParam().period;
  for (int session = 0; session < 5; ++session) {
    const std::string path = test_directory() + "/" + std::to_string(session) + ".trace";
    ASSERT_FALSE(tracer::start_recording(tracer::file_sink(path), options));
    std::this_thread::sleep_for(milliseconds(session * 8));
    ASSERT_FALSE(tracer::stop_recording());
    EXPECT_TRUE(trace_accepted(path)) << "session " << session;
    if (session != 0) {
      EXPECT_GT(tracer::recorder_stats().events, 0u);
    }
  }
  stop = true;
  for (std::thread& t : threads) t.join();
}

INSTANTIATE_TEST_SUITE_P(Periods, RandomModel,
                         testing::Values(Case{22, microseconds(0)}, Case{23, microseconds(0)},
                                         Case{23, microseconds(1000)}, Case{23, microseconds(1000000)},
                                         Case{25, microseconds(500)}, Case{26, microseconds(0)}));

}  // namespace
}  // namespace creel::test
