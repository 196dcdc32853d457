// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The random program of the stress test: fibers that do all the runtime offers, in a seeded order, and all join.

#pragma once

#include <cstdint>

namespace creel::stress {

struct Plan {
  std::uint32_t seed = 1;
  int actors = 24;
  int steps = 30;  // per actor
  bool change_procs = true;
};

// Runs the plan to its end. Caller: a fiber. Returns the number of steps done by all actors; 0: an
// update under the mutex was lost.
std::uint64_t run_actors(const Plan& plan);

}  // namespace creel::stress
