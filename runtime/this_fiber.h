// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What a fiber does to itself and asks about itself, and the number of processors.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "creel/sched/preempt.h"
#include "creel/sync/deadline.h"

namespace creel {

// Lets all other runnable fibers of this P run first. Caller: a fiber or a thread outside (sched/outside.h).
void yield();

// Parks the fiber for `duration` (<= 0: yields) / until `deadline`. Never wakes early. Caller: a fiber or
// a thread outside.
void sleep_until(sched::Clock::time_point deadline);
template <typename Rep, typename Period>
void sleep_for(std::chrono::duration<Rep, Period> duration) {
  if (duration <= duration.zero()) return yield();
  sleep_until(sync::deadline_after(duration));
}
template <typename C, typename D>
void sleep_until(std::chrono::time_point<C, D> deadline) {
  sleep_until(sync::to_deadline(deadline));
}

// A safe point for loops that call nothing of the runtime: lets others run when the 10 ms slice is over. Costs one load
// otherwise. On a thread that runs no fiber: does nothing.
inline void checkpoint() { sched::safe_point(); }

// Processors in use (GOMAXPROCS); 0 outside run().
[[nodiscard]] std::uint32_t procs();
// Changes their number; returns the one before. Surplus processors go away when their fibers reach a safe point.
// Errors: std::invalid_argument outside 1 to 1024. Caller: a fiber.
std::uint32_t set_procs(std::uint32_t count);

// Fibers that exist, the caller included: created and not yet ended (Go's NumGoroutine). 0 outside run(). Walks all fiber
// objects ever used at once, so it is for tests, shutdown and diagnosis, not for hot paths.
[[nodiscard]] std::size_t fiber_count();

namespace this_fiber {

// Id of the running fiber (G id in traces), from 1; 0 outside a fiber.
[[nodiscard]] std::uint64_t id() noexcept;
// Its name, empty if none. Valid until the fiber ends.
[[nodiscard]] std::string_view name() noexcept;

}  // namespace this_fiber

}  // namespace creel
