// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Whether a call may park, for those that are of use outside of fibers, too.

#pragma once

#include "creel/sched/worker.h"

namespace creel::os {

// The caller is a fiber, and not in a blocking section. Thread safety: all.
[[nodiscard]] inline bool on_fiber() noexcept {
  const sched::Worker* const worker = sched::this_worker();
  return worker != nullptr && worker->fiber != nullptr && worker->syscall_depth == 0;
}

}  // namespace creel::os
