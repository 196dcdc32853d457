// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/thread_start.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include "creel/sched/base/check.h"
#include "creel/sched/stack_probe.h"
#include "creel/tracer/current.h"
#include "creel/tracer/recorder.h"

namespace creel::sched {

Worker::Worker(Scheduler& s) : scheduler(s), random_state(0) {}

void start_thread(Scheduler& s, Processor* proc, bool spinning, Fiber* fiber, bool boots) {
  auto owned = std::make_unique<Worker>(s);
  Worker* worker = owned.get();
  worker->next_proc = proc;
  worker->spinning = spinning;
  worker->next_fiber = fiber;
  worker->boots = boots;
  {
    std::lock_guard guard(s.lock);
    if (s.live_workers >= kMaxWorkers) {
      fail("more than 10000 worker threads: too many fibers are inside creel::blocking() at once");
    }
    ++s.live_workers;
    s.workers.push_back(std::move(owned));
  }
  EventCounters::add(s.events.worker_starts);
  try {
    worker->thread = std::thread([worker] {
      worker_main(worker);
      Scheduler& scheduler = worker->scheduler;
      std::lock_guard guard(scheduler.lock);
      --scheduler.live_workers;
      // Release pairs with the acquire in stop(): all this worker did happened before. The last touch of the scheduler
      // is the unlock; it dies only after its threads were joined.
      scheduler.ended_word.fetch_add(1, std::memory_order_release);
      futex_wake(scheduler.ended_word, 1);
    });
  } catch (const std::system_error& error) {
    fail(std::string("cannot create a worker thread: ") + error.what() +
         " (limits: ulimit -u, /proc/sys/kernel/threads-max, memory)");
  }
}

void set_timer_slack() noexcept {
  // The kernel adds 50 us to every timed wait otherwise, which is half the lateness of a sleep. No error matters.
  static_cast<void>(prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0));
}

ThreadStart::ThreadStart(Worker& worker) : worker_(worker) {
  worker.id = static_cast<std::uint64_t>(gettid());
  worker.random_state = worker.id * 0x9E3779B97F4A7C15ULL + static_cast<std::uint64_t>(now_ns());
  if (worker.scheduler.fuzz != nullptr) worker.random_state = worker.scheduler.fuzz->worker_seed();
  if (worker.random_state == 0) worker.random_state = 1;
  pthread_setname_np(pthread_self(), "creel-worker");
  set_timer_slack();
  allow_stack_probe();
  tracer::set_current_worker(&worker);
  tracer::attach(worker);
  worker.context.adopt_thread();
  if (worker.next_proc != nullptr) acquire_proc(worker, std::exchange(worker.next_proc, nullptr));
}

ThreadStart::~ThreadStart() {
  if (worker_.proc != nullptr) release_proc(worker_);
  worker_.context.release_thread();
  tracer::detach(worker_);
  tracer::set_current_worker(nullptr);
}

}  // namespace creel::sched
