// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A processor's timers: a four-ary heap under a lock, with the earliest time readable without it.
//
// Thread safety: all functions from any thread. Lock rank: above nothing; no other lock is taken while it is held.

#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "creel/sched/base/spinlock.h"
#include "creel/sched/timer.h"

namespace creel::sched {

class TimerHeap {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  // Earliest time in ns of Clock, or kNever. May lag behind a concurrent change; a change that makes it earlier is
  // followed by a wake-up of the poller (Timer::start).
  [[nodiscard]] std::int64_t next_when() const noexcept { return next_when_.load(std::memory_order_seq_cst); }

  // Adds `timer`. Returns whether it is now the earliest.
  bool add(Timer& timer, std::int64_t when);
  // Takes `timer` out. False if it is not in this heap any more (fired, firing, or the heap was moved).
  bool remove(Timer& timer) noexcept;

  // Fires what is due at `now`, earliest first. Returns how many fired. Caller: a worker with a P, on its own stack.
  std::uint32_t run(std::int64_t now);

  // Moves all timers to `target` (its processor goes away).
  void move_to(TimerHeap& target);

 private:
  struct Entry {
    std::int64_t when;
    Timer* timer;
  };

  // All require lock_.
  void place(std::size_t index, Entry entry) noexcept;
  void sift_up(std::size_t index, Entry entry) noexcept;
  void sift_down(std::size_t index, Entry entry) noexcept;
  void erase(std::size_t index) noexcept;
  void publish() noexcept;

  SpinLock lock_;
  std::vector<Entry> entries_;  // guarded by lock_
  // Written under lock_. seq_cst pairs with the idle protocol: a worker going idle that does not see a new earliest time
  // is seen by the adder as idle, and is woken.
  std::atomic<std::int64_t> next_when_{kNever};
};

}  // namespace creel::sched
