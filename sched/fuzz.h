// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Schedule fuzzing: other orders than the usual one, chosen by a seed, to find what depends on the order.
//
// Three ways (FuzzMode):
//   kThreads        all workers, real time: random stops and delays at safe points, shuffled queues, forced migrations, workers
//                   woken for nothing. Finds data races under TSan, too. Not replayable.
//   kDeterministic  one worker, one P, virtual time, every choice from the seed: the same seed takes the same course. A
//                   random walk: at each safe point the fiber may have to stop, and the next is any that is runnable.
//   kPct            the same with priorities: the runnable fiber of the highest runs; two random moments lower that of the
//                   fiber running then. Finds orders that a random walk finds with small probability only, e.g. "this one
//                   goes first all the way". Source: Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of
//                   Finding Bugs, ASPLOS 2010.
//
// Nothing of it is on a path that runs when it is off: Scheduler::detour, which forced migration has as well, keeps every
// hand-over on the way through the scheduler's stack, and one count in g_attention keeps every safe point on its slow path.
//
// Thread safety: all but what says so belongs to the holder of a deterministic run's one P.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "creel/sched/config.h"

namespace creel::sched {

struct Fiber;
struct Scheduler;
struct Worker;

class Fuzz {
 public:
  explicit Fuzz(const FuzzConfig& config);
  ~Fuzz();
  Fuzz(const Fuzz&) = delete;
  Fuzz& operator=(const Fuzz&) = delete;

  // The run is over, though a worker that was given up may go on: safe points and the clock are as usual again.
  void end() noexcept;

  // Whether the course is determined by the seed. Any thread.
  [[nodiscard]] bool deterministic() const noexcept { return config_.mode != FuzzMode::kThreads; }

  // What of the outside a deterministic run met that is not replayed.
  enum class Outside : std::uint8_t { kBlocking, kNetwork, kPin, kProcs, kThread };
  // Logs it, at its first occurrence in the run. Does nothing with kThreads. Any thread; not under a lock.
  void tell_of(Outside what);

  // Start of the next worker's random numbers. Any thread.
  [[nodiscard]] std::uint64_t worker_seed() noexcept;

  // Whether the running fiber shall stop here: at a safe point, or (`edge`) at an edge of an instrumented loop.
  // Caller: the fiber, on its worker.
  [[nodiscard]] bool stop_here(Worker& worker, bool edge);
  // The running fiber calls yield().
  void on_yield(const Fiber& fiber);

  // The next fiber, waiting as long as it takes; null: the runtime stops. On return the worker holds the P.
  // Caller: the worker of a deterministic run, on its own stack (deterministic.cc).
  [[nodiscard]] Fiber* find(Worker& worker);

 private:
  // Takes all that is queued to runnable_.
  void collect(Worker& worker);
  // Takes one of runnable_, which is not empty.
  [[nodiscard]] Fiber* choose();
  [[nodiscard]] std::size_t highest() const noexcept;
  [[nodiscard]] std::int64_t priority(const Fiber& fiber) const noexcept;
  void lower(const Fiber& fiber);
  // One more decision: true if it is one of those that lower the running fiber's priority.
  [[nodiscard]] bool is_change_point() noexcept;
  [[nodiscard]] bool stop_deterministic(Worker& worker, bool edge);
  // Fires what is due. Returns whether virtual time could go on to the next timer, if `leap`.
  bool run_due_timers(Worker& worker, bool leap);
  // Queues what the network has ready, waiting for at most `wait_ns` of real time.
  void poll(Worker& worker, std::int64_t wait_ns);
  // Nothing is left that could make a fiber runnable but another thread: gives up the P and parks.
  void go_idle(Worker& worker);
  [[nodiscard]] std::uint64_t random() noexcept;

  const FuzzConfig config_;
  const std::uint32_t stop_mask_;  // a safe point stops the fiber when a random number has none of these bits
  std::uint64_t state_;
  std::vector<Fiber*> runnable_;
  std::uint64_t decisions_ = 0;
  std::uint32_t points_ = 0;         // safe points the running fiber has passed since it started
  std::uint64_t fruitless_yields_ = 0;  // in a row, with nothing else but preemptions between them
  std::uint64_t first_id_ = 0;       // id of the main fiber: ids go on counting from run to run

  std::uint64_t change_at_[2] = {0, 0};                     // kPct: decisions that lower a priority
  std::unordered_map<std::uint64_t, std::int64_t> lowered_;  // kPct: by fiber id
  std::int64_t lowest_ = 0;                                 // kPct: all lowered priorities are above

  bool ended_ = false;  // the thread of run()
  std::atomic<std::uint32_t> workers_{0};
  std::atomic<std::uint32_t> told_{0};  // bits by Outside; relaxed
};

// As CREEL_FUZZ has it: "deterministic:7".
[[nodiscard]] std::string to_string(const FuzzConfig& config);

// "CREEL_FUZZ=deterministic:7 ..." for messages about the end of the process; empty when nothing is fuzzed. Any thread.
[[nodiscard]] const char* fuzz_note() noexcept;

// kThreads: disturbs the order of the worker's queue / the others, from the monitor.
void shuffle_queue(Worker& worker);
void disturb_workers(Scheduler& s);
// Whether the fiber, about to be resumed where it ran last, shall go to another thread.
[[nodiscard]] bool shall_migrate(Scheduler& s, const Worker& worker, const Fiber& fiber);

}  // namespace creel::sched
