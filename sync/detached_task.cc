// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/detached_task.h"

namespace creel::sync {

void start_task(TaskRef task) {
  const tracer::StartCallable callable = task->callable;
  const std::source_location site = task->site;
  sched::spawn_detached([held = std::move(task)] { held->run(); }, callable, site);
}

}  // namespace creel::sync
