// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/runtime/stats.h"

#include "creel/sched/scheduler.h"

namespace creel {

Stats stats() {
  const sched::SchedulerReader reader;
  return reader.get() == nullptr ? Stats{} : sched::collect_stats(*reader.get());
}

}  // namespace creel
