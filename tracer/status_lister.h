// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the recorder asks of the scheduler: the live fibers and processors, to describe those no event has touched.

#pragma once

#include "creel/tracer/trace_state.h"

namespace creel::tracer {

// Implemented by sched/trace_status.cc, installed with set_status_lister(). Thread safety: both may run on any thread
// while workers run. Visited objects stay valid memory for the duration of the call, though a fiber may end meanwhile.
class StatusLister {
 public:
  virtual void for_each_fiber(void (*visit)(FiberTrace& fiber, void* arg), void* arg) = 0;
  virtual void for_each_proc(void (*visit)(ProcTrace& proc, void* arg), void* arg) = 0;
  // Number of processors in use, for ProcsChange.
  virtual std::uint32_t proc_count() = 0;

 protected:
  ~StatusLister() = default;
};

}  // namespace creel::tracer
