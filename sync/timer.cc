// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Why nothing is left over after a stop: sched::Timer::stop() waits for a function that is running, so after it no value
// is on its way, and one that has arrived is taken out of the channel.

#include "creel/sync/timer.h"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <string>

namespace creel {

using sync::Clock;

Timer::Timer() : timer_(&Timer::fire, this) {}

Timer::~Timer() { timer_.stop(); }

void Timer::fire(sched::Timer&, void* self) {
  auto& timer = *static_cast<Timer*>(self);
  if (timer.task_) {
    start_task(timer.task_.share());
  } else {
    (void)timer.channel_.try_send(Clock::now());  // full: cannot be, it was emptied before the start
  }
}

bool Timer::stop_locked() noexcept {
  const bool pending = timer_.stop();
  return channel_.try_recv().has_value() || pending;
}

bool Timer::stop() {
  const std::lock_guard guard(mutex_);
  return stop_locked();
}

bool Timer::reset_to(Moment when) {
  const std::lock_guard guard(mutex_);
  const bool pending = stop_locked();
  start(when);
  return pending;
}

Ticker::~Ticker() { stop_locked(); }

// Caller: holds mutex_, or is the constructor; the ticker is stopped.
void Ticker::start(std::chrono::nanoseconds period) {
  period_ = period;
  const Timer::Moment now = Clock::now();
  next_ = period > Timer::Moment::max() - now ? Timer::Moment::max() : now + period;
  lock_.lock();
  running_ = true;
  lock_.unlock();
  halves_[0].timer.start(next_);
}

// At any moment one half is armed, or its function is running and will arm the other. Once running_ is false that other
// is the last: it does not arm the first again. So whichever it is, both have been stopped after three steps.
void Ticker::stop_locked() noexcept {
  lock_.lock();
  running_ = false;
  lock_.unlock();
  halves_[0].timer.stop();
  halves_[1].timer.stop();
  halves_[0].timer.stop();
  (void)channel_.try_recv();
}

void Ticker::stop() {
  const std::lock_guard guard(mutex_);
  stop_locked();
}

void Ticker::reset_to(std::chrono::nanoseconds period) {
  expect_positive(period);
  const std::lock_guard guard(mutex_);
  stop_locked();
  start(period);
}

void Ticker::expect_positive(std::chrono::nanoseconds period) {
  if (period.count() > 0) return;
  throw std::invalid_argument("creel::Ticker: the period is " + std::to_string(period.count()) +
                              " ns; it must be positive");
}

void Ticker::fire(sched::Timer&, void* half) {
  auto& self = *static_cast<Half*>(half);
  Ticker& ticker = self.ticker;
  const Timer::Moment now = Clock::now();
  (void)ticker.channel_.try_send(now);  // full: the receiver is behind, and misses this tick
  // From the moment it was due, so that ticks do not drift; those missed altogether are left out.
  const auto late = std::max(now - ticker.next_, Clock::duration::zero());
  const auto step = ticker.period_ * (1 + late / ticker.period_);
  ticker.next_ = step > Timer::Moment::max() - ticker.next_ ? Timer::Moment::max() : ticker.next_ + step;
  const Timer::Moment next = ticker.next_;
  Half& other = &self == &ticker.halves_[0] ? ticker.halves_[1] : ticker.halves_[0];
  ticker.lock_.lock();
  const bool running = ticker.running_;
  ticker.lock_.unlock();
  if (!running) return;
  other.timer.stop();  // its function has armed this half, but may be about to return, on another worker
  other.timer.start(next);
}

}  // namespace creel
