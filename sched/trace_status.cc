// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Answers the recorder's StatusLister from the scheduler's tables.

#include "creel/sched/trace_status.h"

#include "creel/sched/scheduler.h"

namespace creel::sched {

void SchedulerStatus::for_each_fiber(void (*visit)(tracer::FiberTrace&, void*), void* arg) {
  scheduler_.fiber_pool.for_each([visit, arg](Fiber& fiber) {
    // Acquire pairs with the release in submit_fiber(): id, name and site are set.
    if (fiber.status.load(std::memory_order_acquire) != tracer::FiberStatus::kDead) visit(fiber, arg);
  });
}

void SchedulerStatus::for_each_proc(void (*visit)(tracer::ProcTrace&, void*), void* arg) {
  const std::uint32_t made = scheduler_.made_procs.load(std::memory_order_acquire);
  for (std::uint32_t id = 0; id < made; ++id) visit(*scheduler_.proc(id), arg);
}

std::uint32_t SchedulerStatus::proc_count() { return scheduler_.procs.load(std::memory_order_relaxed); }

}  // namespace creel::sched
