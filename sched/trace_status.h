// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the tracer may ask of a scheduler.

#pragma once

#include "creel/tracer/status_lister.h"

namespace creel::sched {

struct Scheduler;

class SchedulerStatus final : public tracer::StatusLister {
 public:
  explicit SchedulerStatus(Scheduler& scheduler) noexcept : scheduler_(scheduler) {}
  void for_each_fiber(void (*visit)(tracer::FiberTrace& fiber, void* arg), void* arg) override;
  void for_each_proc(void (*visit)(tracer::ProcTrace& proc, void* arg), void* arg) override;
  std::uint32_t proc_count() override;

 private:
  Scheduler& scheduler_;
};

}  // namespace creel::sched
