// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Gives a fiber its stack, at its first run.

#pragma once

#include "creel/sched/scheduler.h"

namespace creel::sched {

// Ends the process with a message naming the limit when no stack can be had: the fiber's creator has long gone on, so
// there is nobody to return an error to. Caller: the worker that is about to start the fiber.
void bind_stack(Worker& worker, Fiber* fiber);

}  // namespace creel::sched
