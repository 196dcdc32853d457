// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Names for the frames of a fiber whose thread cannot look them up, since it is in a signal handler, on top of whatever was
// interrupted: the monitor does so in its place. If it cannot (the interrupted code holds the lock of malloc(), say), the
// handler goes on without.

#pragma once

#include "creel/sched/overflow.h"

namespace creel::sched {

// Has the monitor write `frames` of the fiber that this thread runs, with names, to stderr, and waits for it. False: it did
// not begin within 3 s, or did not end within 10 s. Async-signal-safe. Caller: one at a time.
bool write_names(const OverflowFrames& frames) noexcept;

// Writes what was asked for, if anything was. Caller: the monitor.
void serve_names();

}  // namespace creel::sched
