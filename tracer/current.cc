// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/current.h"

namespace creel::tracer {
namespace {
thread_local WorkerTrace* current = nullptr;
}  // namespace

// The empty asm keeps the compiler from treating the function as pure and merging two calls across a switch.
__attribute__((noinline)) WorkerTrace* current_worker() noexcept {
  asm volatile("");
  return current;
}

__attribute__((noinline)) void set_current_worker(WorkerTrace* worker) noexcept {
  asm volatile("");
  current = worker;
}

}  // namespace creel::tracer
