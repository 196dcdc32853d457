// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/runtime/this_fiber.h"

#include "creel/sched/park.h"
#include "creel/sched/procs.h"
#include "creel/sched/scheduler.h"

namespace creel {

void yield() { sched::yield(); }
void sleep_until(sched::Clock::time_point deadline) { sched::sleep_until(deadline); }
std::uint32_t procs() { return sched::processor_count(); }
std::uint32_t set_procs(std::uint32_t count) { return sched::change_processor_count(count); }

std::size_t fiber_count() {
  const sched::SchedulerReader reader;
  return reader.get() == nullptr ? 0 : sched::count_fibers(*reader.get());
}

namespace this_fiber {

std::uint64_t id() noexcept {
  const sched::Fiber* self = sched::current_fiber_or_null();
  return self == nullptr ? 0 : self->id;
}

std::string_view name() noexcept {
  const sched::Fiber* self = sched::current_fiber_or_null();
  return self == nullptr || self->name == nullptr ? std::string_view{} : self->name;
}

}  // namespace this_fiber

}  // namespace creel
