// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// PinScope: keeps the running fiber on its OS thread, and other fibers off it.
//
// For foreign code that ties itself to a thread (thread_local state, GUI or graphics contexts, a lock that must be
// released by the thread that took it). While pinned the fiber may still park; its worker then waits for it. Inside a
// PinScope loop safe points (creel_preempt_loops) do not split the code; every other safe point still may.
// Thread safety: belongs to the fiber that made it. May be nested. Cost: each park of a pinned fiber is a thread switch.
// Source: runtime.LockOSThread of Go.

#pragma once

namespace creel {

class [[nodiscard]] PinScope {
 public:
  PinScope();   // Caller: a fiber
  ~PinScope();  // Caller: the same fiber
  PinScope(const PinScope&) = delete;
  PinScope& operator=(const PinScope&) = delete;
};

}  // namespace creel
