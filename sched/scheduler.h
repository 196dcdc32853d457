// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The scheduler's global state and the functions its parts offer one another. Internal to sched/ and runtime/.
//
//   park.cc           park, ready, yield, sleep
//   hand_over.h       the hand-over between contexts
//   find_runnable.cc  a worker's loop: what to run next, stealing, going idle
//   idle.cc           idle processors and parked workers; the spinning protocol (essay there)
//   blocking.cc       blocking sections
//   monitor.cc        the background watcher
//   fuzz.h            other orders, chosen by a seed; deterministic runs
//   procs.cc          change of the number of processors
//   fiber_create.cc   creation and end of fibers
//   scheduler.cc      start and stop

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <source_location>
#include <thread>
#include <vector>

#include "creel/sched/config.h"
#include "creel/sched/counters.h"
#include "creel/sched/fiber.h"
#include "creel/sched/fiber_pool.h"
#include "creel/sched/fuzz.h"
#include "creel/sched/global_queue.h"
#include "creel/sched/poller.h"
#include "creel/sched/processor.h"
#include "creel/sched/stack_pool.h"
#include "creel/sched/worker.h"
#include "creel/tracer/status_lister.h"

namespace creel::sched {

// ns of Clock.
[[nodiscard]] inline std::int64_t now_ns() noexcept { return Clock::now().time_since_epoch().count(); }

// Wakes in a row that may find nothing before they are left out (idle.cc).
inline constexpr std::uint32_t kFruitlessPatience = 3;

struct Scheduler {
  explicit Scheduler(const Config& config, std::unique_ptr<Poller> poller);
  ~Scheduler();

  const Config config;
  // Every hand-over goes through the scheduler's stack: forced migration, fuzzing. Constant.
  const bool detour;
  StackPool stack_pool;
  FiberPool fiber_pool;
  alignas(kCacheLine) GlobalQueue global_queue;  // its size is read at every yield
  alignas(kCacheLine) std::unique_ptr<Poller> poller;  // constant

  // Guards what says so below. Rank: taken without any other lock held, but for nothing but the poller's interrupt.
  alignas(kCacheLine) SpinLock lock;
  Processor* idle_procs = nullptr;      // guarded by lock; linked by next_idle
  Worker* idle_workers = nullptr;       // guarded by lock; linked by next_idle
  std::vector<std::unique_ptr<Worker>> workers;  // guarded by lock; ended ones are kept until the scheduler dies
  struct OutsideThread* outside = nullptr;       // guarded by lock: attached threads (outside.cc)
  std::uint32_t live_workers = 0;       // guarded by lock: threads started and not ended, or attached
  std::uint32_t idle_worker_count = 0;  // guarded by lock
  std::atomic<std::uint32_t> wakes_coming{0};  // outside.h; relaxed, ordered by lock

  // All processors ever made, by id; entries below made_procs are valid for the scheduler's life.
  alignas(kCacheLine) std::array<std::atomic<Processor*>, kMaxProcs> processors{};
  std::atomic<std::uint32_t> made_procs{0};   // release when a P is added, acquire by whoever iterates
  std::atomic<std::uint32_t> procs{0};        // processors in use (GOMAXPROCS). relaxed: a hint outside lock

  // Read by every park and every search, seldom written: not beside what the idle protocol writes.
  alignas(kCacheLine) std::atomic<std::int64_t> coarse_now{0};  // ns, updated by the monitor; relaxed, for ages in dumps
  // Fibers inside a PinScope. Relaxed: see pick_local().
  std::atomic<std::uint32_t> pins{0};
  std::atomic<bool> stopping{false};   // set once; seq_cst with the idle protocol

  // The idle protocol's counters; sequentially consistent, see idle.cc.
  alignas(kCacheLine) std::atomic<std::uint32_t> idle_proc_count{0};
  alignas(kCacheLine) std::atomic<std::uint32_t> spinning{0};

  // Wakes that are not worth it (idle.cc, "Fruitless wakes"). Relaxed: hints.
  std::atomic<std::uint32_t> fruitless{0};     // workers in a row that were woken, looked for work and found none
  std::atomic<bool> skipped_wake{false};       // a wake was left out since the monitor looked last
  std::atomic<bool> monitor_dozes{false};      // the monitor sleeps for longer than a left-out wake may wait

  // Time of the last poll in ns; 0 while a worker blocks in the poller (its exchange elects that worker).
  std::atomic<std::int64_t> last_poll{0};
  // When the worker that blocks in the poller will return by itself (kNever: at an event only); valid while last_poll is 0.
  std::atomic<std::int64_t> poll_until{0};

  std::atomic<bool> reporting{false};  // a deadlock or fatal report is being written

  EventCounters events;  // for stats()

  // Monitor.
  std::atomic<std::uint32_t> monitor_word{0};  // futex: changes to wake the monitor
  std::atomic<bool> quit_requested{false};     // seq_cst: set before monitor_word changes (quit_report.h)
  std::atomic<bool> monitor_sleeps{false};     // seq_cst: set before it re-checks that all Ps are idle
  std::thread monitor;

  // The main fiber and how it is announced. Written before the first thread starts.
  struct Boot {
    Fiber* fiber = nullptr;
    tracer::StartCallable callable;
    std::source_location site;
  };
  Boot boot;  // of the worker that boots

  std::unique_ptr<Fuzz> fuzz;  // constant; null: no fuzzing
  [[nodiscard]] bool deterministic() const noexcept { return fuzz != nullptr && fuzz->deterministic(); }

  // Main fiber's end and the workers' ends; what run() waits for.
  Parker main_done;
  std::atomic<std::uint32_t> ended_word{0};  // futex: bumped when a worker ends

  [[nodiscard]] Processor* proc(std::uint32_t id) const noexcept {
    return processors[id].load(std::memory_order_relaxed);  // ordered by made_procs
  }
};

// The running scheduler or null; one at a time. Set before its first worker starts, cleared by stop.
[[nodiscard]] Scheduler* scheduler() noexcept;

// --- scheduler.cc
// The running scheduler for a look from any thread: stays alive while the reader does. Null inside: none runs.
class SchedulerReader {
 public:
  SchedulerReader();
  [[nodiscard]] Scheduler* get() const noexcept { return scheduler_; }

 private:
  std::unique_lock<std::mutex> lock_;
  Scheduler* scheduler_ = nullptr;
};

// Starts workers with `main` as first fiber and returns when finish_main() was called by it and all workers have ended,
// or have been given up on. Caller: a thread that is no worker.
void run_scheduler(std::unique_ptr<Scheduler> scheduler, Scheduler::Boot main, tracer::StatusLister& status);
// outside.cc. Threads outside that are attached and in no call: in a blocking section, but not fibers of creel's. s.lock held.
[[nodiscard]] std::uint32_t threads_in_no_call(const Scheduler& s) noexcept;
// Fibers that are not dead. Any thread.
[[nodiscard]] std::size_t count_fibers(Scheduler& s);
// The main fiber is done: the scheduler stops, other fibers are abandoned. Caller: the main fiber, as its last act.
void finish_main();

// --- find_runnable.cc
// A worker thread's main function.
void worker_main(Worker* worker);
// Parks until the fiber pinned to the worker is to run there. False: the runtime stops. Caller: on the scheduler's stack.
bool wait_for_locked_fiber(Worker& worker);
// Makes fibers a poll returned runnable and queues them; returns the first to run if `keep_first`.
Fiber* inject(Worker& worker, Fiber* list, bool keep_first);
// Runs what is due on `proc`. Returns whether anything fired (there may be local work now). Caller: on its scheduler stack.
bool run_timers(Processor& proc);
// Puts a runnable fiber on the worker's P: next in line, or at the end of the queue.
void enqueue(Worker& worker, Fiber* fiber, bool next);

// --- park.cc (and hand_over.h)
// Running: binds `fiber` to the worker, with the event. Its stack too, at its first run.
void start_fiber(Worker& worker, Fiber* fiber);
// Makes a Waiting fiber Runnable (status and event) without queueing it. `worker` may lack a P.
void mark_ready(Worker& worker, Fiber* fiber);
// Stops the running fiber and puts it on the global queue. Caller: the fiber, at a safe point.
void preempt_self(Worker& worker);

// --- idle.cc
void acquire_proc(Worker& worker, Processor* proc);  // idle -> running, with ProcStart
Processor* release_proc(Worker& worker);             // running -> unbound, with ProcStop; the caller keeps or idles it
void put_idle_proc(Scheduler& s, Processor* proc);   // requires s.lock
Processor* take_idle_proc(Scheduler& s);             // requires s.lock; null: none
// After work was submitted: starts one more worker if a P is idle and nobody is spinning.
void wake_one(Scheduler& s);
// After ready(): as wake_one, unless that has proved useless lately and the fiber is next in line here anyway.
void wake_after_ready(Worker& worker, bool next);
// Runs `proc` (idle, unlisted) on a parked or new worker. `spinning`: it shall look for work, counted already.
void start_worker(Scheduler& s, Processor* proc, bool spinning, Fiber* fiber = nullptr);
// Parks the worker (without P) until it is given one. Returns with the P acquired, or without one when stopping.
void stop_worker(Worker& worker);
// Gives up `proc`, whose worker blocks: to another worker if there is work, else to the idle list.
void hand_off_proc(Scheduler& s, Processor* proc);
// After a timer was armed for `when` on this worker's P: lets a sleeping worker know if it would sleep too long.
void wake_for_timer(Scheduler& s, std::int64_t when);
// The same at once, whoever calls.
void tell_of_timer(Scheduler& s, std::int64_t when);
// Runs a fiber that is pinned to another worker there: gives it this worker's P and parks.
void start_pinned(Worker& worker, Fiber* fiber);
// The pinned fiber of this worker has parked: gives the P away and parks until the fiber runs again.
void wait_pinned(Worker& worker);

// --- monitor.cc
void monitor_main(Scheduler* s);
void wake_monitor(Scheduler& s);

// --- deadlock.cc
// Requires s.lock. Ends the process with a report when no fiber can ever run again.
void check_deadlock(Scheduler& s);

// --- fiber_create.cc
// A context's entry: runs fibers one after another on one stack.
void fiber_main(void* worker);
// An id for a fiber that no processor's stock provides.
[[nodiscard]] std::uint64_t new_fiber_id() noexcept;
// Frees a fiber that has ended.
void recycle(Worker& worker, Fiber* fiber, Stack* stack);

// --- procs.cc
Processor* make_proc(Scheduler& s);  // requires s.lock or start-up
// Moves all work of a retired `proc` to the global queue and P 0's timers.
void empty_retired_proc(Worker& worker, Processor* proc);

}  // namespace creel::sched
