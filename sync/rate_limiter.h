// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Token bucket: so many events per second on average, so many at once.
//
//   creel::RateLimiter limiter(100.0, 10);      // 100 a second, bursts of 10
//   limiter.wait();                             // parks until it is this fiber's turn
//   if (!limiter.wait(context)) return;         // the context ended, or would end before
//   if (!limiter.allow()) return too_many_requests();
//
// The bucket starts full and fills with `rate` tokens per second up to `burst`. A wait takes its tokens in advance and
// sleeps until they are there, so turns come in the order of the calls, and one that asks for many is not overtaken for
// ever by those that ask for few. Thread safety: all of it from any fiber. Source: golang.org/x/time/rate.

#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include "creel/sched/base/spinlock.h"
#include "creel/sync/deadline.h"
#include "creel/sync/limit.h"

namespace creel {

class RateLimiter {
 public:
  // Everything is allowed, whatever the burst.
  static constexpr double kUnlimited = std::numeric_limits<double>::infinity();

  // Requires: rate >= 0 events per second (0: the first burst only), burst >= 0; else std::invalid_argument.
  RateLimiter(double rate, std::int64_t burst);
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  // Takes `count` tokens if they are there. Never parks. Requires here and below: count >= 0, else std::invalid_argument.
  [[nodiscard]] bool allow(std::int64_t count = 1);

  // Takes `count` tokens and parks until they are there. Errors: std::invalid_argument if count exceeds the burst, as it
  // would never be. Caller: a fiber.
  void wait(std::int64_t count = 1);
  // The same until `context` ends / for `duration` / until `when`. False: nothing taken; said at once where the tokens
  // would come after the deadline. Tokens that are there are taken, also with a context that has ended.
  [[nodiscard]] bool wait(const Context& context, std::int64_t count = 1);
  template <typename Rep, typename Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> duration, std::int64_t count = 1) {
    return wait_deadline(sync::deadline_after(duration), count);
  }
  template <typename C, typename D>
  [[nodiscard]] bool wait_until(std::chrono::time_point<C, D> when, std::int64_t count = 1) {
    return wait_deadline(sync::to_deadline(when), count);
  }

  // Changes hold from now on; fibers that wait keep their turns. Errors: as the constructor.
  void set_rate(double rate);
  void set_burst(std::int64_t burst);
  // What is there now; negative: that much has been taken in advance. Outdated as soon as read.
  [[nodiscard]] double tokens();

 private:
  struct Turn {
    sync::Clock::time_point at;
    std::int64_t count;
  };

  bool wait_deadline(sync::Clock::time_point deadline, std::int64_t count);
  void expect_possible(std::int64_t count);
  // Takes tokens unless they come after `deadline`, and that later than now.
  std::optional<Turn> take(std::int64_t count, sync::Clock::time_point deadline);
  void give_back(const Turn& turn);
  // Brings tokens_ up to `now`. Caller: holds lock_.
  void fill(sync::Clock::time_point now) noexcept;
  // The time `tokens` take. Caller: holds lock_.
  [[nodiscard]] double seconds_for(double tokens) const noexcept;

  sched::SpinLock lock_;
  // Guarded by lock_.
  double rate_;
  std::int64_t burst_;
  double tokens_;
  sync::Clock::time_point filled_;    // tokens_ is as of then
  sync::Clock::time_point last_turn_;  // the latest turn given
};

}  // namespace creel
