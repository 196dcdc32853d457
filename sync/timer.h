// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Timer and Ticker: a moment, or one after another, as values of a channel; or a function run at a moment.
//
//   creel::Timer timer(10ms);
//   creel::select(creel::on_recv(timer.channel(), ...), creel::on_recv(work, ...));
//   timer.reset(10ms);                            // anew, whatever became of the 10 ms before
//   creel::Timer later(1s, [] { ... });           // runs the function on a fiber of its own
//   creel::Ticker ticker(100ms);
//   for (creel::Timer::Moment at : ticker.channel()) ...
//
// After stop() or reset() returns no value of the time before can be received any more, and their result says truly
// whether there would have been one. For a mere limit of one call use its timed form, or after() in a select: they need
// no object. Thread safety: stop() and reset() from any fiber, also at once; the channel is a Channel; destruction when
// no other call runs. The destructor stops. Source: time.Timer and time.Ticker of Go 1.23.

#pragma once

#include <array>
#include <chrono>
#include <source_location>
#include <utility>

#include "creel/sched/timer.h"
#include "creel/sync/channel.h"
#include "creel/sync/deadline.h"
#include "creel/sync/detached_task.h"
#include "creel/sync/mutex.h"

namespace creel {

class Timer {
 public:
  using Moment = sync::Clock::time_point;

  // Sends the moment to channel() once `duration` has passed (at once if it is not positive); never blocks for it.
  // Caller: a fiber. Errors: std::bad_alloc.
  template <typename Rep, typename Period>
  explicit Timer(std::chrono::duration<Rep, Period> duration) : Timer() {
    start(sync::deadline_after(duration));
  }
  // Runs `function` on a fiber of its own instead, each time the timer fires. Errors also: what moving or copying
  // `function` throws.
  template <typename Rep, typename Period, typename F>
  Timer(std::chrono::duration<Rep, Period> duration, F&& function,
        std::source_location site = std::source_location::current())
      : Timer() {
    task_ = sync::TaskRef::make(std::forward<F>(function), site);
    start(sync::deadline_after(duration));
  }
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Where the moment arrives; of a timer with a function nothing ever does. To be received from only.
  [[nodiscard]] Channel<Moment>& channel() noexcept { return channel_; }

  // True: it had not fired, or its value had not been received, and will not be. False: it has been, or it was stopped.
  // With a function: true if it will not be started; does not wait for one that runs. Blocking: may park for other
  // calls of stop() and reset(). Caller: a fiber.
  bool stop();
  // As stop(), then starts anew. Errors: std::bad_alloc, the timer is stopped then.
  template <typename Rep, typename Period>
  bool reset(std::chrono::duration<Rep, Period> duration) {
    return reset_to(sync::deadline_after(duration));
  }

 private:
  Timer();
  void start(Moment when) { timer_.start(when); }
  bool stop_locked() noexcept;
  bool reset_to(Moment when);
  static void fire(sched::Timer& timer, void* self);

  Mutex mutex_;  // held by stop() and reset()
  Channel<Moment> channel_{1};
  sync::TaskRef task_;  // empty: the channel; constant after construction
  sched::Timer timer_;
};

class Ticker {
 public:
  // Sends the moment to channel() every `period`. A receiver that is behind misses ticks: at most one waits for it.
  // Requires: period > 0, else std::invalid_argument. Caller: a fiber. Errors: std::bad_alloc.
  template <typename Rep, typename Period>
  explicit Ticker(std::chrono::duration<Rep, Period> period) {
    expect_positive(nanoseconds(period));
    start(nanoseconds(period));
  }
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  [[nodiscard]] Channel<Timer::Moment>& channel() noexcept { return channel_; }

  // No more ticks, also none that is waiting to be received. The channel stays open. Blocking: as Timer::stop().
  void stop();
  // Starts anew with `period`: the next tick comes that much from now. Requires and errors as the constructor.
  template <typename Rep, typename Period>
  void reset(std::chrono::duration<Rep, Period> period) {
    reset_to(nanoseconds(period));
  }

 private:
  // A timer must not be armed by its own function, so two take turns, each arming the other.
  struct Half {
    explicit Half(Ticker& owner) noexcept : ticker(owner), timer(&Ticker::fire, this) {}
    Ticker& ticker;
    sched::Timer timer;
  };

  // Rounded up; what does not fit is as long as can be.
  template <typename Rep, typename Period>
  static std::chrono::nanoseconds nanoseconds(std::chrono::duration<Rep, Period> period) {
    using Seconds = std::chrono::duration<double>;
    if (Seconds(period) >= Seconds(std::chrono::nanoseconds::max())) return std::chrono::nanoseconds::max();
    return std::chrono::ceil<std::chrono::nanoseconds>(period);
  }
  static void expect_positive(std::chrono::nanoseconds period);
  void start(std::chrono::nanoseconds period);
  void stop_locked() noexcept;
  void reset_to(std::chrono::nanoseconds period);
  static void fire(sched::Timer& timer, void* half);

  Mutex mutex_;  // held by stop() and reset()
  Channel<Timer::Moment> channel_{1};
  std::chrono::nanoseconds period_{0};  // written while stopped
  Timer::Moment next_;                  // written while stopped, and by the function that fires
  sched::SpinLock lock_;
  bool running_ = false;  // guarded by lock_
  std::array<Half, 2> halves_{Half(*this), Half(*this)};
};

}  // namespace creel
