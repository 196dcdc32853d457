// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The calling thread's worker: the one thread_local of the runtime.
//
// A fiber may resume on another thread, and compilers keep the address of a thread_local across a switch. So it is read
// only through current_worker(), never keep the result across anything that may park. On x86-64 that is two instructions
// of volatile asm: the switch is volatile asm too, and the compiler neither merges nor reorders these. Elsewhere a function
// that is never inlined, in a translation unit built without LTO.

#pragma once

#include "creel/tracer/trace_state.h"

namespace creel::tracer {

// The worker of the calling thread, or null on a thread the runtime does not know. Never blocks.
#if defined(__x86_64__)
[[nodiscard, gnu::always_inline]] inline WorkerTrace* current_worker() noexcept {
  WorkerTrace* worker;
  asm volatile(
      "movq creel_current_worker@gottpoff(%%rip), %0\n\t"
      "movq %%fs:(%0), %0"
      : "=r"(worker));
  return worker;
}
#else
[[nodiscard]] WorkerTrace* current_worker() noexcept;
#endif

// Binds the calling thread to `worker` (null: unbinds). Caller: the thread itself, at its start and end.
void set_current_worker(WorkerTrace* worker) noexcept;

}  // namespace creel::tracer
