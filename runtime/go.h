// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// go() and spawn(): new fibers, detached or joinable.

#pragma once

#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "creel/runtime/join_handle.h"
#include "creel/sched/spawn.h"

namespace creel {

// Runs `f()` on a new detached fiber, next in line on the caller's P. An exception that leaves it ends the process with
// its message, the fiber and its stack. Errors: what moving or copying f throws. Caller: a fiber, or a thread outside while a
// runtime runs (sched/outside.h: any thread that creel did not start), which may have to wait for a processor. Blocking: a
// fiber never.
template <typename F>
  requires std::is_invocable_v<std::decay_t<F>&>
void go(F&& f, std::source_location site = std::source_location::current()) {
  const auto callable = sched::callable_of(f);
  sched::spawn_detached(std::forward<F>(f), callable, site);
}

// The same with a name and a stack size. Errors: std::invalid_argument naming a stack size that is not accepted.
template <typename F>
  requires std::is_invocable_v<std::decay_t<F>&>
void go(const FiberOptions& options, F&& f, std::source_location site = std::source_location::current()) {
  const auto callable = sched::callable_of(f);
  sched::spawn_detached(std::forward<F>(f), callable, site, &options);
}

// Runs `f()` on a new fiber whose result, or exception, join() gives. Caller, Blocking: as go().
template <typename F>
  requires std::is_invocable_v<std::decay_t<F>&>
auto spawn(const FiberOptions& options, F&& f, std::source_location site = std::source_location::current())
    -> JoinHandle<std::invoke_result_t<std::decay_t<F>&>> {
  using Result = std::invoke_result_t<std::decay_t<F>&>;
  const auto callable = sched::callable_of(f);
  auto [handle, shared] = JoinHandle<Result>::make();
  sched::spawn_detached(
      [state = std::move(shared), f = std::decay_t<F>(std::forward<F>(f))]() mutable { state->run(f); }, callable, site,
      &options, "creel::spawn()");
  return std::move(handle);
}

template <typename F>
  requires std::is_invocable_v<std::decay_t<F>&>
auto spawn(F&& f, std::source_location site = std::source_location::current())
    -> JoinHandle<std::invoke_result_t<std::decay_t<F>&>> {
  return spawn(FiberOptions{}, std::forward<F>(f), site);
}

// Runs `f()` on a fiber of the running runtime and returns what it returns, or rethrows its exception: for threads outside, to
// do there what needs a fiber (creel::net, say). Caller: any thread, or a fiber. Blocking: until `f` has returned.
template <typename F>
  requires std::is_invocable_v<std::decay_t<F>&>
auto run_on(F&& f, std::source_location site = std::source_location::current()) -> std::invoke_result_t<std::decay_t<F>&> {
  return spawn(std::forward<F>(f), site).join();
}

}  // namespace creel
