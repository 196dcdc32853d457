// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The calling thread's worker: the one thread_local of the runtime.
//
// A fiber may resume on another thread, and compilers keep the address of a thread_local across a switch. So it is read
// only through these functions, which are never inlined and live in a translation unit built without LTO. Never keep
// the result across anything that may park.

#pragma once

#include "creel/tracer/trace_state.h"

namespace creel::tracer {

// The worker of the calling thread, or null on a thread the runtime does not know. Never blocks.
[[nodiscard]] WorkerTrace* current_worker() noexcept;

// Binds the calling thread to `worker` (null: unbinds). Caller: the thread itself, at its start and end.
void set_current_worker(WorkerTrace* worker) noexcept;

}  // namespace creel::tracer
