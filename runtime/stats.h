// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Figures of the running runtime: Go's runtime/metrics.

#pragma once

#include "creel/sched/stats.h"

namespace creel {

// The counters of all processors, summed. All zero outside run(). Costs some microseconds, more with many Ps; nothing on
// the hot paths. Thread safety: any thread. Blocking: the thread, for short locks.
[[nodiscard]] Stats stats();

}  // namespace creel
