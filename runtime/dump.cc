// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/runtime/dump.h"

#include "creel/sched/dump.h"
#include "creel/sched/scheduler.h"

namespace creel {

std::string dump() {
  const sched::SchedulerReader reader;
  return reader.get() == nullptr ? std::string() : sched::dump_fibers(*reader.get());
}

}  // namespace creel
