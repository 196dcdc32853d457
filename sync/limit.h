// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Until when a call may wait: a deadline, the end of a context, or both. What every timed form of sync/ comes down to.
//
// A Limit points to its context's state; it lives no longer than the call that was given the context.

#pragma once

#include "creel/sched/timer.h"

namespace creel {

class Context;

namespace sync {

using sched::Clock;
class CancelNode;

struct Limit {
  Limit(Clock::time_point when) noexcept : deadline(when) {}  // NOLINT: a deadline is a limit
  explicit Limit(const Context& ended) noexcept;
  Limit(const Context& ended, Clock::time_point when) noexcept : Limit(ended) { deadline = when; }

  // No limit at all.
  [[nodiscard]] bool endless() const noexcept { return deadline == Clock::time_point::max() && context == nullptr; }
  // Time is up, or the context has ended.
  [[nodiscard]] bool reached() const noexcept;

  Clock::time_point deadline = Clock::time_point::max();
  CancelNode* context = nullptr;  // null: none, or one that never ends
};

}  // namespace sync
}  // namespace creel
