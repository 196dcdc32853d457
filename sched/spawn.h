// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Creating fibers: the primitive under go(), spawn(), WaitGroup::go() and Scope.

#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <source_location>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "creel/sched/fiber.h"
#include "creel/sched/outside.h"
#include "creel/tracer/trace_state.h"

namespace creel {

// How a fiber is created.
struct FiberOptions {
  std::string name = {};       // shown in traces (label) and dumps
  std::size_t stack_size = 0;  // bytes, 16 KiB to 64 MiB, rounded up to a power of two; 0: the runtime's default
};

}  // namespace creel

namespace creel::sched {

// One object per callable type: what a trace calls its fibers.
template <typename F>
inline const tracer::CallableInfo kCallableInfo{typeid(F).name(), true};

// The name under which a fiber running `f` appears: the function `f` points to, or f's type (lambdas: the enclosing
// function and their number).
template <typename F>
[[nodiscard]] tracer::StartCallable callable_of(const F& f) noexcept {
  using Plain = std::remove_cvref_t<F>;
  if constexpr (std::is_pointer_v<std::decay_t<Plain>> && std::is_function_v<std::remove_pointer_t<std::decay_t<Plain>>>) {
    return tracer::StartCallable::function(reinterpret_cast<std::uintptr_t>(static_cast<std::decay_t<Plain>>(f)));
  } else {
    return tracer::StartCallable(&kCallableInfo<Plain>);
  }
}

// A fiber that has no closure yet. Caller: a fiber, a timer's function, or the runtime's start. Null on a thread outside.
[[nodiscard]] Fiber* new_fiber(const char* what);
// Applies options. Errors: std::invalid_argument naming the value.
void configure_fiber(Fiber* fiber, const FiberOptions& options);
// Gives back a fiber whose closure could not be made.
void discard_fiber(Fiber* fiber) noexcept;
// Makes `fiber` runnable, next in line on the caller's P.
void submit_fiber(Fiber* fiber, tracer::StartCallable callable, std::source_location site);

template <typename F>
struct Closure {
  static constexpr bool kInline =
      sizeof(F) <= Fiber::kInlineClosure && alignof(F) <= alignof(std::uint64_t) && std::is_nothrow_move_constructible_v<F>;

  // The first function on a fiber's stack that knows the user's callable. Lets exceptions out: nobody catches them, so
  // std::terminate runs with the stack as it was at the throw.
  static void run(void* room) {
    if constexpr (kInline) {
      F* f = std::launder(static_cast<F*>(room));
      struct Guard {
        F* f;
        ~Guard() { f->~F(); }
      } guard{f};
      (*f)();
    } else {
      std::unique_ptr<F> f(*std::launder(static_cast<F**>(room)));
      (*f)();
    }
  }

  template <typename G>
  static void make(void* room, G&& g) {
    if constexpr (kInline) {
      ::new (room) F(std::forward<G>(g));
    } else {
      ::new (room) F*(new F(std::forward<G>(g)));
    }
  }
};

// Gives `fiber`, just made, the closure and makes it runnable. Inlined, as its parts are one path in spawn_detached().
template <typename F>
[[gnu::always_inline]] inline void start_closure(Fiber* fiber, F&& f, tracer::StartCallable callable, std::source_location site,
                                                 const FiberOptions* options) {
  using Plain = std::decay_t<F>;
  struct Undo {
    Fiber* fiber;
    ~Undo() {
      if (fiber != nullptr) discard_fiber(fiber);
    }
  } undo{fiber};
  if (options != nullptr) configure_fiber(fiber, *options);
  Closure<Plain>::make(fiber->closure, std::forward<F>(f));
  fiber->entry = &Closure<Plain>::run;
  undo.fiber = nullptr;
  submit_fiber(fiber, callable, site);
}

// spawn_detached() on a thread outside. Not by as_fiber(): a function that is called in itself is not inlined.
template <typename F>
[[gnu::noinline, gnu::cold]] void spawn_outside(F&& f, tracer::StartCallable callable, std::source_location site,
                                                const FiberOptions* options, const char* what) {
  const FiberCall inside(what);
  start_closure(new_fiber(what), std::forward<F>(f), callable, site, options);
}

// Runs `f()` on a new fiber. `callable` names it in traces (callable_of the user's function, not of a wrapper).
// Errors: what copying f throws; std::invalid_argument for bad options. Caller: a fiber, a timer's function (Timer::Fire), or a
// thread outside. Blocking: never parks a fiber; a thread outside waits for a processor.
template <typename F>
void spawn_detached(F&& f, tracer::StartCallable callable, std::source_location site,
                    const FiberOptions* options = nullptr, const char* what = "creel::go()") {
  Fiber* fiber = new_fiber(what);
  if (fiber == nullptr) [[unlikely]] return spawn_outside(std::forward<F>(f), callable, site, options, what);
  start_closure(fiber, std::forward<F>(f), callable, site, options);
}

}  // namespace creel::sched
