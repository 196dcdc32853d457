// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the scheduler counts while it runs: the raw material of stats.h.
//
// Two kinds. A processor's counters are written by the worker that holds it alone, by plain loads and stores (relaxed, so
// that readers may look): no locked instruction on a hot path, and at most one increment per transition. The rare events
// that may happen without a P (a wake of a thread, a poll: each next to a system call) are counted by atomic additions.
// Scheduling latency is sampled: about one in 256 fibers that become runnable is stamped with the time, and only that
// one reads the clock, twice. The distance is random, so a program's own period cannot hide from it.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace creel::sched {

// Adds to a counter that only the caller writes, relaxed. In one instruction where the processor has it: compilers make three of
// a relaxed load and store.
template <typename T>
[[gnu::always_inline]] inline void bump(std::atomic<T>& counter, std::uint64_t by = 1) noexcept {
#if defined(__x86_64__) && !defined(CREEL_TSAN)
  if (__builtin_constant_p(by) && by == 1) {
    if constexpr (sizeof(T) == 8) {
      asm("incq %0" : "+m"(counter));
    } else {
      static_assert(sizeof(T) == 4);
      asm("incl %0" : "+m"(counter));
    }
    return;
  }
#endif
  counter.store(counter.load(std::memory_order_relaxed) + static_cast<T>(by), std::memory_order_relaxed);
}

inline constexpr std::size_t kLatencyBuckets = 40;  // bucket i > 0: 2^(i-1) <= ns < 2^i; the last one takes the rest

// Of one processor; written by its holder, read by anyone. Never reset.
struct ProcCounters {
  std::atomic<std::uint64_t> created{0};    // fibers
  std::atomic<std::uint64_t> ended{0};      // fibers
  std::atomic<std::uint64_t> parks{0};      // waits of fibers
  std::atomic<std::uint64_t> preempted{0};  // stops at a safe point because the slice was over
  std::atomic<std::uint64_t> steals{0};     // visits to another P that brought something
  std::atomic<std::uint64_t> stolen{0};     // fibers they brought
  std::array<std::atomic<std::uint64_t>, kLatencyBuckets> latency{};  // sampled waits from runnable to running
};

// Of the whole scheduler; relaxed additions by anyone.
struct EventCounters {
  std::atomic<std::uint64_t> worker_wakes{0};     // parked threads woken
  std::atomic<std::uint64_t> worker_starts{0};    // threads created
  std::atomic<std::uint64_t> poll_wakes{0};       // returns from a poll that waited
  std::atomic<std::uint64_t> poll_fibers{0};      // fibers that polls made runnable
  std::atomic<std::uint64_t> poll_groups{0};      // polls that made more than one fiber runnable
  std::atomic<std::uint64_t> retakes{0};          // Ps taken from a fiber in a blocking section
  std::atomic<std::int64_t> blocking_without_p{0};  // fibers in a blocking section whose P was taken, now

  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
    counter.fetch_add(by, std::memory_order_relaxed);
  }
};

// The bucket of a latency of `ns`.
[[nodiscard]] inline std::size_t latency_bucket(std::int64_t ns) noexcept {
  if (ns <= 0) return 0;
  const auto bits = static_cast<std::size_t>(64 - __builtin_clzll(static_cast<unsigned long long>(ns)));
  return bits < kLatencyBuckets ? bits : kLatencyBuckets - 1;
}

struct Fiber;
struct Worker;

// The sampled fiber becomes runnable / runs. Caller: `worker`'s thread, the fiber being its own.
void stamp_runnable(Worker& worker, Fiber& fiber) noexcept;
void record_latency(Worker& worker, Fiber& fiber) noexcept;

}  // namespace creel::sched
