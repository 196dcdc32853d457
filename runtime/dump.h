// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The state of all fibers as text.

#pragma once

#include <string>

namespace creel {

// All fibers: id, name, state, what they wait for and how long, where they were created, stack; equal ones grouped.
// Empty outside run(). Thread safety: any thread. Blocking: the thread, while names are looked up; other
// fibers run meanwhile, as in blocking().
[[nodiscard]] std::string dump();

}  // namespace creel
