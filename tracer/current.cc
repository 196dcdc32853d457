// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/current.h"

// Named for the asm in current.h, which needs a TLS model without calls.
extern "C" {
extern thread_local creel::tracer::WorkerTrace* creel_current_worker __attribute__((tls_model("initial-exec")));
thread_local creel::tracer::WorkerTrace* creel_current_worker = nullptr;
}

namespace creel::tracer {

// The empty asm keeps the compiler from treating the functions as pure and merging two calls across a switch.
#if !defined(__x86_64__)
__attribute__((noinline)) WorkerTrace* current_worker() noexcept {
  asm volatile("");
  return creel_current_worker;
}
#endif

__attribute__((noinline)) void set_current_worker(WorkerTrace* worker) noexcept {
  asm volatile("");
  creel_current_worker = worker;
}

}  // namespace creel::tracer
