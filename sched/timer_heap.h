// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A processor's timers: a four-ary heap under a lock, with the earliest time readable without it.
//
// The heap's entries name a slot, the slot its timer. A timer lies in a waiting fiber's stack, a page of its own: only
// adding, removing and firing it may touch it, not each step of another one through the heap, so it knows its slot, which
// stays, and not its place. A timer that is stopped leaves its slot empty; the entry goes when it gets to the top, or when
// half of all entries are such.
//
// Invariants: the entry at the top is never empty, so next_when() is exact. stopped_ counts the empty ones.
// Thread safety: all functions from any thread. Lock rank: above nothing; no other lock is taken while it is held.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <new>
#include <vector>

#include "creel/sched/base/cache_line.h"
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

  // Timers armed.
  [[nodiscard]] std::size_t size() noexcept {
    const std::lock_guard guard(lock_);
    return empty() ? 0 : entries_.size() - kTop - stopped_;
  }

  // Fires what is due at `now`, earliest first. Returns how many fired. Caller: a worker with a P, on its own stack.
  std::uint32_t run(std::int64_t now);

  // Takes all timers out, not fired: the runtime ends, and who owns one may stop it later. Caller: when no worker is left.
  void disarm() noexcept;

  // Moves all timers to `target` (its processor goes away).
  void move_to(TimerHeap& target);

 private:
  struct Entry {
    std::int64_t when;
    std::uint32_t slot;
  };
  struct Slot {
    Timer* timer = nullptr;       // null: stopped
    std::uint32_t next_free = 0;  // of a free slot: the next one
  };
  // Begins its arrays at a cache line, so that the four children of an entry share one.
  template <typename T>
  struct LineAllocator {
    using value_type = T;
    LineAllocator() = default;
    template <typename U>
    LineAllocator(const LineAllocator<U>&) noexcept {}
    T* allocate(std::size_t count) {
      return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t{kCacheLine}));
    }
    void deallocate(T* memory, std::size_t) noexcept { ::operator delete(memory, std::align_val_t{kCacheLine}); }
    bool operator==(const LineAllocator&) const noexcept { return true; }
  };
  // Children of entry i are 4i - 8 to 4i - 5: those of the first, 3, begin a line.
  static constexpr std::size_t kTop = 3;
  static constexpr std::uint32_t kNoSlot = ~std::uint32_t{0};

  // All require lock_.
  [[nodiscard]] bool empty() const noexcept { return entries_.size() <= kTop; }
  void push(Timer& timer, std::int64_t when);
  void sift_up(std::size_t index, Entry entry) noexcept;
  void sift_down(std::size_t index, Entry entry) noexcept;
  void free_slot(std::uint32_t slot) noexcept;
  void pop() noexcept;
  void drop_stopped() noexcept;
  void compact() noexcept;
  void publish() noexcept;

  SpinLock lock_;
  std::vector<Entry, LineAllocator<Entry>> entries_;  // guarded by lock_; kTop unused ones first, if any
  std::vector<Slot> slots_;                           // guarded by lock_
  std::uint32_t free_slots_ = kNoSlot;                // guarded by lock_
  std::size_t stopped_ = 0;                           // guarded by lock_
  // Written under lock_. seq_cst pairs with the idle protocol: a worker going idle that does not see a new earliest time
  // is seen by the adder as idle, and is woken.
  std::atomic<std::int64_t> next_when_{kNever};
};

}  // namespace creel::sched
