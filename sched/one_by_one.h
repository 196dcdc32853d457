// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Tells a program that answers one request after the other, as a server with one busy connection, from all others. For the
// monitor; README.md, "The monitor's rounds", says what it is good for.

#pragma once

#include <algorithm>
#include <cstdint>

namespace creel::sched {

// Thread safety: none; the monitor's. Times in ns.
class OneByOne {
 public:
  // Ever growing, but starts, which wraps.
  struct Counts {
    std::uint64_t poll_groups = 0;  // polls that made more than one fiber runnable
    std::uint64_t poll_fibers = 0;  // fibers that polls made runnable
    std::uint32_t starts = 0;       // of fibers, on all processors
  };

  // Says yes so often without being followed by what it is for, then no for so long.
  static constexpr int kPatience = 500;
  static constexpr std::int64_t kRest = 5'000'000'000;

  // At `time`, after the monitor has slept for `slept` because all processors were idle. Whether, since the last call, each poll
  // made one fiber runnable, hardly another fiber ran, and requests came about as fast as a client near by sends them.
  [[nodiscard]] bool look(const Counts& now, std::int64_t time, std::int64_t slept) noexcept {
    const Counts before = last_;
    const std::int64_t passed = time - last_time_;
    last_ = now;
    last_time_ = time;
    const std::uint64_t woken = now.poll_fibers - before.poll_fibers;
    if (time < rest_until_ || slept <= kShortest || slept >= kLongest || now.poll_groups != before.poll_groups || woken == 0 ||
        now.starts - before.starts > woken + woken / 2) {
      return false;
    }
    // By the mean: `slept` is what the monitor saw of one pause, maybe the end of a long one.
    const std::int64_t period = passed / static_cast<std::int64_t>(woken);
    if (period >= kLongest) return false;
    in_vain_ = period < kTogether ? std::max(0, in_vain_ - 4) : in_vain_ + 1;
    if (in_vain_ <= kPatience) return true;
    in_vain_ = 0;
    rest_until_ = time + kRest;
    return false;
  }

 private:
  static constexpr std::int64_t kShortest = 10'000;  // less: client, server and monitor share a CPU; no help, but in the way
  static constexpr std::int64_t kTogether = 30'000;  // less from request to request: client and server share one
  static constexpr std::int64_t kLongest = 200'000;

  Counts last_;
  std::int64_t last_time_ = 0;
  std::int64_t rest_until_ = 0;
  int in_vain_ = 0;
};

}  // namespace creel::sched
