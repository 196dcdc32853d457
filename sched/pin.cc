// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/pin.h"

#include "creel/sched/base/check.h"
#include "creel/sched/park.h"
#include "creel/sched/scheduler.h"

namespace creel {

PinScope::PinScope() {
  sched::Fiber* self = sched::current_fiber("creel::PinScope");
  sched::FiberExtra& extra = self->more();
  if (extra.pin_depth++ != 0) return;
  sched::Worker* worker = sched::this_worker();
  if (worker->scheduler.deterministic()) {  // there is one thread
    worker->scheduler.fuzz->tell_of(sched::Fuzz::Outside::kPin);
    return;
  }
  extra.pinned_to = worker;
  worker->scheduler.pins.fetch_add(1, std::memory_order_relaxed);
  self->pinned = true;
  worker->locked_fiber = self;
}

PinScope::~PinScope() {
  sched::Fiber* self = sched::current_fiber("creel::PinScope");
  if (--self->extra->pin_depth != 0 || !self->pinned) return;
  sched::Worker* worker = sched::this_worker();
  sched::check(worker->locked_fiber == self, "a pinned fiber left its worker");
  worker->locked_fiber = nullptr;
  self->extra->pinned_to = nullptr;
  self->pinned = false;
  worker->scheduler.pins.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace creel
