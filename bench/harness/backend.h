// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What a benchmark program must bring along: how to run a function in the runtime under test.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace bench {

struct BackendOptions {
  int procs = 1;
  std::string trace;  // file to trace into; empty: no tracing
};

struct BackendResult {
  std::uint64_t events = 0;  // of the trace, where the runtime counts them
};

// Whether the runtime can trace.
[[nodiscard]] bool backend_traces() noexcept;

// Starts the runtime, then the trace, calls `body` as a fiber, and ends both. Called once per process.
// Errors: any exception of the runtime, the trace or the body.
BackendResult run_backend(const BackendOptions& options, const std::function<void()>& body);

}  // namespace bench
