// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Tells a program that answers one request after the other, as a server with one busy connection, from all others. For the
// monitor; README.md, "The monitor's rounds", says what it is good for.

#pragma once

#include <cstdint>

namespace creel::sched {

// Thread safety: none; the monitor's.
class OneByOne {
 public:
  // Ever growing, but starts, which wraps.
  struct Counts {
    std::uint64_t poll_groups = 0;  // polls that made more than one fiber runnable
    std::uint64_t poll_fibers = 0;  // fibers that polls made runnable
    std::uint32_t starts = 0;       // of fibers, on all processors
  };

  // After all processors have been idle for `slept` ns: whether, since the last call, each poll made one fiber runnable, hardly
  // another fiber ran, and the pause was about as long as a client near by takes for its next request.
  [[nodiscard]] bool look(const Counts& now, std::int64_t slept) noexcept {
    const Counts before = last_;
    last_ = now;
    const std::uint64_t woken = now.poll_fibers - before.poll_fibers;
    return slept > kShortest && slept < kLongest && now.poll_groups == before.poll_groups && woken != 0 &&
           now.starts - before.starts <= woken + woken / 2;
  }

 private:
  // Shorter: client and server share a CPU already, and the monitor would be in their way. Longer: it does not matter.
  static constexpr std::int64_t kShortest = 10'000;  // ns
  static constexpr std::int64_t kLongest = 200'000;  // ns

  Counts last_;
};

}  // namespace creel::sched
