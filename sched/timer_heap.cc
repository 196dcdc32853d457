// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/timer_heap.h"

#include <algorithm>
#include <mutex>


namespace creel::sched {

// Timer::state_ protocol:
//   kIdle -> kArmed    add(), under the heap's lock
//   kArmed -> kIdle    remove(), under the heap's lock
//   kArmed -> kFiring  run(), under the heap's lock
//   kFiring -> kIdle   run(), after fire returned: its last touch of the timer. stop() waits for it.

void TimerHeap::place(std::size_t index, Entry entry) noexcept {
  entries_[index] = entry;
  entry.timer->index_ = static_cast<std::uint32_t>(index);
}

void TimerHeap::sift_up(std::size_t index, Entry entry) noexcept {
  while (index > 0) {
    const std::size_t parent = (index - 1) / 4;
    if (entries_[parent].when <= entry.when) break;
    place(index, entries_[parent]);
    index = parent;
  }
  place(index, entry);
}

void TimerHeap::sift_down(std::size_t index, Entry entry) noexcept {
  const std::size_t size = entries_.size();
  for (;;) {
    const std::size_t first = index * 4 + 1;
    if (first >= size) break;
    std::size_t least = first;
    for (std::size_t child = first + 1; child < std::min(first + 4, size); ++child) {
      if (entries_[child].when < entries_[least].when) least = child;
    }
    if (entries_[least].when >= entry.when) break;
    place(index, entries_[least]);
    index = least;
  }
  place(index, entry);
}

void TimerHeap::erase(std::size_t index) noexcept {
  const Entry last = entries_.back();
  entries_.pop_back();
  if (index == entries_.size()) return;
  if (index > 0 && entries_[(index - 1) / 4].when > last.when) {
    sift_up(index, last);
  } else {
    sift_down(index, last);
  }
}

void TimerHeap::publish() noexcept {
  next_when_.store(entries_.empty() ? kNever : entries_[0].when, std::memory_order_seq_cst);
}

bool TimerHeap::add(Timer& timer, std::int64_t when) {
  std::lock_guard guard(lock_);
  entries_.push_back({});
  timer.heap_.store(this, std::memory_order_relaxed);  // guarded by lock_, re-read under it in Timer::stop
  timer.state_.store(Timer::State::kArmed, std::memory_order_relaxed);
  sift_up(entries_.size() - 1, {when, &timer});
  if (entries_[0].timer != &timer) return false;
  publish();
  return true;
}

bool TimerHeap::remove(Timer& timer) noexcept {
  std::lock_guard guard(lock_);
  if (timer.heap_.load(std::memory_order_relaxed) != this ||
      timer.state_.load(std::memory_order_relaxed) != Timer::State::kArmed) {
    return false;
  }
  const bool first = timer.index_ == 0;
  erase(timer.index_);
  timer.state_.store(Timer::State::kIdle, std::memory_order_relaxed);
  if (first) publish();
  return true;
}

std::uint32_t TimerHeap::run(std::int64_t now) {
  std::uint32_t fired = 0;
  lock_.lock();
  while (!entries_.empty() && entries_[0].when <= now) {
    Timer& timer = *entries_[0].timer;
    erase(0);
    publish();
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
  for (const Entry& entry : entries_) {
    target.entries_.push_back({});
    entry.timer->heap_.store(&target, std::memory_order_relaxed);
    target.sift_up(target.entries_.size() - 1, entry);
  }
  entries_.clear();
  publish();
  target.publish();
}

}  // namespace creel::sched
