// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/rate_limiter.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <stdexcept>
#include <string>

#include "creel/sched/preempt.h"
#include "creel/sync/context.h"

namespace creel {

using sync::Clock;

namespace {

double checked_rate(double rate) {
  if (rate >= 0) return rate;
  throw std::invalid_argument("creel::RateLimiter: the rate is " + std::to_string(rate) +
                              " per second; it must be 0 or more");
}

std::int64_t checked_count(std::int64_t count, const char* what) {
  if (count >= 0) return count;
  throw std::invalid_argument("creel::RateLimiter: the " + std::string(what) + " is " + std::to_string(count) +
                              "; it must be 0 or more");
}

// Never early: rounded up.
Clock::time_point later(Clock::time_point now, double seconds) noexcept {
  const double ns = std::ceil(seconds * 1e9);
  if (ns >= static_cast<double>((Clock::time_point::max() - now).count())) return Clock::time_point::max();
  return now + std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

double seconds(Clock::duration duration) noexcept { return std::chrono::duration<double>(duration).count(); }

}  // namespace

RateLimiter::RateLimiter(double rate, std::int64_t burst)
    : rate_(checked_rate(rate)),
      burst_(checked_count(burst, "burst")),
      tokens_(static_cast<double>(burst)),
      filled_(Clock::now()),
      last_turn_(filled_) {}

void RateLimiter::fill(Clock::time_point now) noexcept {
  if (now <= filled_) return;
  // An unlimited rate needs no tokens; it is looked at where they are taken.
  if (rate_ != kUnlimited) {
    tokens_ = std::min(static_cast<double>(burst_), tokens_ + seconds(now - filled_) * rate_);
  }
  filled_ = now;
}

double RateLimiter::seconds_for(double tokens) const noexcept {
  return rate_ == 0 ? std::numeric_limits<double>::infinity() : tokens / rate_;
}

std::optional<RateLimiter::Turn> RateLimiter::take(std::int64_t count, Clock::time_point deadline) {
  checked_count(count, "number of tokens");
  sched::safe_point();
  const Clock::time_point now = Clock::now();
  const std::lock_guard guard(lock_);
  if (rate_ == kUnlimited) return Turn{now, 0};
  fill(now);
  const double left = tokens_ - static_cast<double>(count);
  const Clock::time_point at = left < 0 ? later(now, seconds_for(-left)) : now;
  if (count > burst_ || (left < 0 && at > deadline)) return std::nullopt;
  tokens_ = left;
  last_turn_ = at;
  return Turn{at, count};
}

// Turns given after this one were put off for its sake and stay where they are, so what they wait for is not given back.
void RateLimiter::give_back(const Turn& turn) {
  const std::lock_guard guard(lock_);
  if (rate_ == kUnlimited) return;
  const double back = static_cast<double>(turn.count) - seconds(last_turn_ - turn.at) * rate_;
  if (back <= 0) return;
  const Clock::time_point now = Clock::now();
  fill(now);
  tokens_ = std::min(static_cast<double>(burst_), tokens_ + back);
  if (turn.at != last_turn_ || rate_ == 0) return;
  // It was the last: the one before it is, or at least no later one than now counts.
  const auto step = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::min(seconds_for(static_cast<double>(turn.count)), 1e9)));
  last_turn_ = std::max(now, turn.at - step);
}

bool RateLimiter::allow(std::int64_t count) {
  checked_count(count, "number of tokens");
  sched::safe_point();
  const Clock::time_point now = Clock::now();
  const std::lock_guard guard(lock_);
  if (rate_ == kUnlimited) return true;
  fill(now);
  if (tokens_ < static_cast<double>(count)) return false;
  tokens_ -= static_cast<double>(count);
  return true;
}

void RateLimiter::expect_possible(std::int64_t count) {
  lock_.lock();
  const std::int64_t burst = rate_ == kUnlimited ? std::numeric_limits<std::int64_t>::max() : burst_;
  lock_.unlock();
  if (count <= burst) return;
  throw std::invalid_argument("creel::RateLimiter: wait for " + std::to_string(count) +
                              " tokens; the burst is " + std::to_string(burst));
}

void RateLimiter::wait(std::int64_t count) {
  (void)wait_deadline(Clock::time_point::max(), count);
}

bool RateLimiter::wait_deadline(Clock::time_point deadline, std::int64_t count) {
  expect_possible(count);
  const std::optional<Turn> turn = take(count, deadline);
  if (!turn) return false;
  if (turn->at > Clock::now()) sched::sleep_until(turn->at);
  return true;
}

bool RateLimiter::wait(const Context& context, std::int64_t count) {
  expect_possible(count);
  const std::optional<Turn> turn = take(count, context.deadline().value_or(Clock::time_point::max()));
  if (!turn) return false;
  if (turn->at <= Clock::now() || sleep_until(context, turn->at)) return true;
  give_back(*turn);
  return false;
}

void RateLimiter::set_rate(double rate) {
  checked_rate(rate);
  const Clock::time_point now = Clock::now();
  const std::lock_guard guard(lock_);
  fill(now);
  rate_ = rate;
}

void RateLimiter::set_burst(std::int64_t burst) {
  checked_count(burst, "burst");
  const Clock::time_point now = Clock::now();
  const std::lock_guard guard(lock_);
  fill(now);
  burst_ = burst;
  tokens_ = std::min(tokens_, static_cast<double>(burst));
}

double RateLimiter::tokens() {
  const Clock::time_point now = Clock::now();
  const std::lock_guard guard(lock_);
  fill(now);
  return rate_ == kUnlimited ? static_cast<double>(burst_) : tokens_;
}

}  // namespace creel
