// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// run(): starts the runtime, runs a function as its first fiber, and stops.

#pragma once

#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "creel/runtime/options.h"
#include "creel/sched/spawn.h"
#include "creel/tracer/trace_state.h"

namespace creel {

namespace detail {
int run_main(const Options& options, std::function<int()> main, tracer::StartCallable callable,
             std::source_location site);
}  // namespace detail

// Runs `main` as fiber 1 of a new runtime; returns when it returns: its value if it returns an int, else 0.
// Fibers that are still alive then are abandoned, as in Go: never resumed, not unwound (join them, e.g. by a WaitGroup).
// An exception that leaves `main` is rethrown here. A bad option or environment value, and a trace file that cannot be
// opened, are reported on stderr, and 1 is returned without running `main`.
// Requires: no runtime is running (one per process at a time; again after it returned is fine); a violation ends the
// process with a message. Caller: a thread outside the runtime. Blocking: the calling thread, until `main` returns.
template <typename F>
  requires std::is_invocable_v<F&>
int run(const Options& options, F&& main, std::source_location site = std::source_location::current()) {
  const tracer::StartCallable callable = sched::callable_of(main);
  using Result = std::invoke_result_t<F&>;
  return detail::run_main(
      options,
      [&main]() -> int {
        if constexpr (std::is_convertible_v<Result, int> && !std::is_void_v<Result>) {
          return static_cast<int>(main());
        } else {
          main();
          return 0;
        }
      },
      callable, site);
}

template <typename F>
  requires std::is_invocable_v<F&>
int run(F&& main, std::source_location site = std::source_location::current()) {
  return run(Options{}, std::forward<F>(main), site);
}

}  // namespace creel
