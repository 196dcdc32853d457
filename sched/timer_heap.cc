// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/timer_heap.h"

#include <mutex>

namespace creel::sched {

// Timer::state_ protocol:
//   kIdle -> kArmed    add(), under the heap's lock; release
//   kArmed -> kIdle    remove(), under the heap's lock
//   kArmed -> kFiring  run(), under the heap's lock
//   kFiring -> kIdle   run(), after fire returned: its last touch of the timer. stop() waits for it.

void TimerHeap::sift_up(std::size_t index, Entry entry) noexcept {
  while (index > kTop) {
    const std::size_t parent = (index + 8) / 4;
    if (entries_[parent].when <= entry.when) break;
    entries_[index] = entries_[parent];
    index = parent;
  }
  entries_[index] = entry;
}

void TimerHeap::sift_down(std::size_t index, Entry entry) noexcept {
  constexpr std::size_t kLarge = 4096;  // entries; below, the heap is in the nearest caches
  const std::size_t size = entries_.size();
  Entry* const entries = entries_.data();
  for (;;) {
    const std::size_t first = index * 4 - 8;
    if (first >= size) break;
    if (size > kLarge && first * 4 - 8 < size) {
      for (std::size_t child = 0; child < 4; ++child) __builtin_prefetch(entries + (first + child) * 4 - 8);
    }
    std::size_t least = first;
    if (first + 4 <= size) {
      const std::size_t low = first + (entries[first + 1].when < entries[first].when ? 1 : 0);
      const std::size_t high = first + 2 + (entries[first + 3].when < entries[first + 2].when ? 1 : 0);
      least = entries[high].when < entries[low].when ? high : low;
    } else {
      for (std::size_t child = first + 1; child < size; ++child) {
        if (entries[child].when < entries[least].when) least = child;
      }
    }
    if (entries[least].when >= entry.when) break;
    entries[index] = entries[least];
    index = least;
  }
  entries[index] = entry;
}

void TimerHeap::free_slot(std::uint32_t slot) noexcept {
  slots_[slot] = {nullptr, free_slots_};
  free_slots_ = slot;
}

// Puts `timer` in. Errors: std::bad_alloc, without effect.
void TimerHeap::push(Timer& timer, std::int64_t when) {
  if (entries_.empty()) entries_.resize(kTop);
  if (free_slots_ == kNoSlot) {
    slots_.emplace_back();
    free_slot(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  entries_.push_back({});
  const std::uint32_t slot = free_slots_;
  free_slots_ = slots_[slot].next_free;
  slots_[slot].timer = &timer;
  timer.slot_ = slot;
  timer.heap_.store(this, std::memory_order_relaxed);  // guarded by lock_, re-read under it in Timer::stop
  sift_up(entries_.size() - 1, {when, slot});
}

// Takes the top out.
void TimerHeap::pop() noexcept {
  free_slot(entries_[kTop].slot);
  const Entry last = entries_.back();
  entries_.pop_back();
  if (!empty()) sift_down(kTop, last);
}

// Takes out what was stopped, as far as it is at the top.
void TimerHeap::drop_stopped() noexcept {
  while (!empty() && slots_[entries_[kTop].slot].timer == nullptr) {
    pop();
    --stopped_;
  }
}

// Takes out all that was stopped.
void TimerHeap::compact() noexcept {
  std::size_t kept = kTop;
  for (std::size_t i = kTop; i < entries_.size(); ++i) {
    if (slots_[entries_[i].slot].timer != nullptr) {
      entries_[kept++] = entries_[i];
    } else {
      free_slot(entries_[i].slot);
    }
  }
  entries_.resize(kept);
  stopped_ = 0;
  if (kept <= kTop + 1) return;
  for (std::size_t i = (kept - 1 + 8) / 4; i >= kTop; --i) sift_down(i, entries_[i]);
}

void TimerHeap::publish() noexcept {
  next_when_.store(empty() ? kNever : entries_[kTop].when, std::memory_order_seq_cst);
}

bool TimerHeap::add(Timer& timer, std::int64_t when) {
  std::lock_guard guard(lock_);
  push(timer, when);
  // Release pairs with the acquire in Timer::stop(), which may be called meanwhile (a Ticker's): heap_ is seen.
  timer.state_.store(Timer::State::kArmed, std::memory_order_release);
  if (entries_[kTop].slot != timer.slot_) return false;
  publish();
  return true;
}

bool TimerHeap::remove(Timer& timer) noexcept {
  constexpr std::size_t kFew = 64;  // not worth a pass over all
  std::lock_guard guard(lock_);
  if (timer.heap_.load(std::memory_order_relaxed) != this ||
      timer.state_.load(std::memory_order_relaxed) != Timer::State::kArmed) {
    return false;
  }
  slots_[timer.slot_].timer = nullptr;
  ++stopped_;
  timer.state_.store(Timer::State::kIdle, std::memory_order_relaxed);
  if (entries_[kTop].slot == timer.slot_) {
    drop_stopped();
    publish();
  } else if (stopped_ > kFew && stopped_ * 2 > entries_.size()) {
    compact();
  }
  return true;
}

void TimerHeap::disarm() noexcept {
  std::lock_guard guard(lock_);
  for (const Slot& slot : slots_) {
    // Release pairs with the acquire in Timer::stop(): the heap was touched for the last time for this timer's sake.
    if (slot.timer != nullptr) slot.timer->state_.store(Timer::State::kIdle, std::memory_order_release);
  }
  entries_.clear();
  slots_.clear();
  free_slots_ = kNoSlot;
  stopped_ = 0;
  publish();
}

std::uint32_t TimerHeap::run(std::int64_t now) {
  std::uint32_t fired = 0;
  lock_.lock();
  while (!empty() && entries_[kTop].when <= now) {
    Timer& timer = *slots_[entries_[kTop].slot].timer;
    pop();
    drop_stopped();
    publish();
    // The next one's page is on its way while this one fires.
    if (!empty()) __builtin_prefetch(slots_[entries_[kTop].slot].timer, 1);
    timer.state_.store(Timer::State::kFiring, std::memory_order_relaxed);
    lock_.unlock();
    timer.fire_(timer, timer.arg_);
    // Release pairs with the acquire in Timer::stop(): what fire did is seen, and this is the last touch.
    timer.state_.store(Timer::State::kIdle, std::memory_order_release);
    ++fired;
    lock_.lock();
  }
  lock_.unlock();
  return fired;
}

void TimerHeap::move_to(TimerHeap& target) {
  // Address order, as two moves may cross.
  SpinLock* first = this < &target ? &lock_ : &target.lock_;
  SpinLock* second = this < &target ? &target.lock_ : &lock_;
  std::lock_guard guard1(*first);
  std::lock_guard guard2(*second);
  for (std::size_t i = kTop; i < entries_.size(); ++i) {
    if (Timer* const timer = slots_[entries_[i].slot].timer) target.push(*timer, entries_[i].when);
  }
  entries_.clear();
  slots_.clear();
  free_slots_ = kNoSlot;
  stopped_ = 0;
  publish();
  target.publish();
}

}  // namespace creel::sched
