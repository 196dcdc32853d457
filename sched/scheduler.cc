// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Start and stop.
//
// Stop, when the main fiber has ended:
//  1. finish_main() sets `stopping` (seq_cst) and raises attention on every P: fibers that reach a safe point go to the
//     scheduler's loop, which ends the worker. Fibers are never resumed after that; their stacks are not unwound.
//  2. run_scheduler() wakes the parked workers, the poller and the monitor.
//  3. It waits up to kStopGrace for the workers to end. One that runs a fiber without safe points, or sits in a blocking
//     section, is given up on: its thread goes on, and everything it may still touch (this Scheduler) is leaked. But one
//     that reports a fatal error gets all the time it needs: it ends the process.

#include "creel/sched/scheduler.h"

#include <chrono>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include "creel/sched/base/check.h"
#include "creel/sched/base/log.h"
#include "creel/sched/outside.h"
#include "creel/sched/park.h"
#include "creel/sched/preempt.h"
#include "creel/sched/quit_report.h"
#include "creel/sched/thread_start.h"
#include "creel/sched/trace_status.h"
#include "creel/tracer/recorder.h"

namespace creel::sched {
namespace {

// Long enough for every worker that can stop to do so on a busy machine.
constexpr std::chrono::milliseconds kStopGrace{200};

std::atomic<Scheduler*> running{nullptr};  // release at start, acquire by readers on other threads

std::mutex readers_mu;  // held by readers on threads outside the runtime, and while a scheduler is taken out of their reach

}  // namespace

SchedulerReader::SchedulerReader() : lock_(readers_mu, std::defer_lock) {
  if (Worker* worker = this_worker()) {
    scheduler_ = &worker->scheduler;  // lives as long as its workers
  } else {
    lock_.lock();
    scheduler_ = running.load(std::memory_order_acquire);
  }
}

Scheduler* scheduler() noexcept { return running.load(std::memory_order_acquire); }

Scheduler::Scheduler(const Config& c, std::unique_ptr<Poller> p)
    : config(c),
      detour(c.force_migration || c.fuzz.mode != FuzzMode::kOff),
      stack_pool(c.stack_size),
      poller(std::move(p)) {
  if (c.fuzz.mode != FuzzMode::kOff) fuzz = std::make_unique<Fuzz>(c.fuzz);
  if (poller == nullptr) poller = std::make_unique<TimedPoller>();
  for (std::uint32_t i = 0; i < c.procs; ++i) make_proc(*this);
  procs.store(c.procs, std::memory_order_relaxed);
  last_poll.store(now_ns(), std::memory_order_relaxed);
  coarse_now.store(now_ns(), std::memory_order_relaxed);
}

Scheduler::~Scheduler() {
  const std::uint32_t made = made_procs.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < made; ++i) {
    Processor* p = proc(i);
    clear_attention(*p);
    p->stacks.drain(stack_pool);
    delete p;
  }
}

void finish_main() {
  Scheduler& s = this_worker()->scheduler;
  s.stopping.store(true, std::memory_order_seq_cst);
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < made; ++i) raise_attention(*s.proc(i));
  s.main_done.wake();
  // Parks for good: a scheduler that stops never resumes anybody.
  park(BlockReason::kForever, nullptr, nullptr);
}

namespace {

// Step 2. A wake-up nobody waits for does no harm: every worker is about to end.
void wake_everybody(Scheduler& s) {
  {
    std::lock_guard guard(s.lock);
    for (const auto& worker : s.workers) worker->park.wake();
  }
  s.poller->interrupt();
  wake_monitor(s);
}

// Step 3. Returns whether all workers have ended.
bool wait_for_workers(Scheduler& s) {
  using RealClock = std::chrono::steady_clock;  // virtual time has stopped
  const auto deadline = RealClock::now() + kStopGrace;
  for (;;) {
    const std::uint32_t word = s.ended_word.load(std::memory_order_acquire);  // pairs with the ended worker's release
    {
      std::lock_guard guard(s.lock);
      let_outside_threads_go(s);
      if (s.live_workers == 0) return true;
    }
    const auto left = deadline - RealClock::now();
    if (left.count() <= 0) return false;
    futex_wait(s.ended_word, word, left);
  }
}

}  // namespace

std::size_t count_fibers(Scheduler& s) {
  std::size_t live = 0;
  s.fiber_pool.for_each([&live](Fiber& fiber) {
    // Acquire pairs with the release at creation; an end is seen soon after.
    live += fiber.status.load(std::memory_order_acquire) != tracer::FiberStatus::kDead ? 1 : 0;
  });
  return live;
}

void run_scheduler(std::unique_ptr<Scheduler> owned, Scheduler::Boot main, tracer::StatusLister& status) {
  Scheduler& s = *owned;
  tracer::set_status_lister(&status);
  s.boot = std::move(main);
  running.store(&s, std::memory_order_release);
  {
    std::lock_guard guard(s.lock);
    for (std::uint32_t id = s.procs.load(std::memory_order_relaxed); id-- > 1;) put_idle_proc(s, s.proc(id));
  }
  start_thread(s, s.proc(0), false, nullptr, true);
  // After the first worker: a worker the monitor starts must not find itself alone with nothing to run.
  try {
    // A deterministic run has none: it acts by real time. But somebody has to answer a SIGQUIT.
    s.monitor = std::thread(s.deterministic() ? await_quit_request_main : monitor_main, &s);
  } catch (const std::system_error& error) {
    fail(std::string("cannot create the monitor thread: ") + error.what() +
         " (limits: ulimit -u, /proc/sys/kernel/threads-max, memory)");
  }

  s.main_done.park();

  wake_everybody(s);
  if (s.monitor.joinable()) s.monitor.join();
  const bool ended = wait_for_workers(s);
  wait_for_fatal_end();
  if (s.fuzz != nullptr) s.fuzz->end();
  tracer::set_status_lister(nullptr);
  {
    std::lock_guard guard(readers_mu);  // nobody looks at it from outside any more
    running.store(nullptr, std::memory_order_release);
    if (ended) {
      for (std::uint32_t i = 0, made = s.made_procs.load(std::memory_order_acquire); i < made; ++i) s.proc(i)->timers.disarm();
    }
  }
  await_quit_requests();  // nor does a signal handler
  const std::size_t live = count_fibers(s) - 1;  // the main fiber itself
  if (live != 0) log_debug("run() returns; fibers abandoned: " + std::to_string(live));
  std::vector<std::unique_ptr<Worker>> workers;
  {
    std::lock_guard guard(s.lock);
    workers.swap(s.workers);
  }
  if (ended) {
    for (auto& worker : workers) worker->thread.join();
    return;
  }
  log_warning("run() returns while workers are still inside fibers that reach no safe point or block; their threads and "
              "the scheduler's memory are left behind");
  for (std::uint32_t i = 0, made = s.made_procs.load(std::memory_order_acquire); i < made; ++i) clear_attention(*s.proc(i));
  for (auto& worker : workers) {
    tracer::abandon(*worker);
    worker->thread.detach();
    static_cast<void>(worker.release());
  }
  static_cast<void>(owned.release());
}

}  // namespace creel::sched
