// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Structured concurrency: fibers that do not outlive the block they are started in.
//
//   creel::Scope scope(context);
//   for (const std::string& url : urls) scope.go([&](const creel::Context& context) { fetch(url, context); });
//   scope.join();                       // all have ended; rethrows the first error
//
// The first exception that leaves a fiber is kept, and ends the scope's context with it as the cause, so that the others
// can stop; what they throw after that is their answer to being cancelled, and dropped. A fiber may start more fibers
// in the same scope. What a fiber's function holds is destroyed before join() returns. Captures by reference of what was
// declared before the scope are therefore safe.
// Source: golang.org/x/sync/errgroup, with the guarantee of joining added; std::jthread for the destructor.

#pragma once

#include <concepts>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "creel/sched/spawn.h"
#include "creel/sync/context.h"
#include "creel/sync/wait_group.h"

namespace creel {

class Scope {
 public:
  // Its context is derived from `parent`: when that ends the fibers are told, and joined all the same.
  // Caller: a fiber. Errors: std::bad_alloc.
  explicit Scope(const Context& parent = Context::background());
  // Waits for all fibers. Without a join() before: on the normal way out as join(), so it may throw; during unwinding
  // it cancels first, and an error of a fiber is dropped in favour of the exception on its way.
  ~Scope() noexcept(false);
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // Runs `function()`, or `function(context())`, on a new fiber of the scope, also if the context has ended. `site` names
  // the fiber in traces. Errors: std::logic_error after join(); std::bad_alloc; what moving or copying `function`
  // throws; std::invalid_argument for options that are not accepted. Caller: the scope's owner or a fiber of it.
  template <typename F>
  void go(F&& function, std::source_location site = std::source_location::current()) {
    start(nullptr, std::forward<F>(function), site);
  }
  template <typename F>
  void go(const FiberOptions& options, F&& function, std::source_location site = std::source_location::current()) {
    start(&options, std::forward<F>(function), site);
  }

  // Parks until every fiber has ended, then ends the context, and rethrows the first error. Once; a second call does
  // nothing. Caller: the fiber that owns the scope.
  void join();

  // Ends the scope's context. Caller: any fiber. `cause`: as CancelSource::cancel().
  void cancel(std::exception_ptr cause = nullptr) { source_.cancel(std::move(cause)); }
  template <typename E>
    requires std::derived_from<E, std::exception>
  void cancel(E cause) {
    source_.cancel(std::move(cause));
  }
  // Ends when the parent does, with the first error, by cancel(), and at join().
  [[nodiscard]] const Context& context() const noexcept { return context_; }

 private:
  // What one fiber runs. Counted in fibers_ from construction until done().
  template <typename F>
  class Task {
   public:
    template <typename G>
    Task(Scope& scope, G&& function) : scope_(&scope), function_(std::forward<G>(function)) {}
    Task(Task&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : scope_(other.scope_), function_(std::move(other.function_)) {}

    void operator()() {
      try {
        if constexpr (std::is_invocable_v<F&, const Context&>) {
          (*function_)(scope_->context_);
        } else {
          (*function_)();
        }
      } catch (...) {  // handed to join(), which rethrows it
        scope_->fail(std::current_exception());
      }
      function_.reset();  // before anybody may believe that the fiber has ended
      scope_->fibers_.done();
    }

   private:
    Scope* scope_;
    std::optional<F> function_;
  };

  template <typename F>
  void start(const FiberOptions* options, F&& function, std::source_location site) {
    using Plain = std::decay_t<F>;
    static_assert(std::is_invocable_v<Plain&> || std::is_invocable_v<Plain&, const Context&>,
                  "Scope::go() takes a callable without arguments, or with a const Context&");
    const auto callable = sched::callable_of<Plain>(function);
    struct Counted {
      explicit Counted(Scope& owner) : scope(&owner) { scope->begin(); }
      ~Counted() {
        if (scope != nullptr) scope->fibers_.done();
      }
      Counted(const Counted&) = delete;
      Counted& operator=(const Counted&) = delete;
      Scope* scope;
    } counted(*this);
    sched::spawn_detached(Task<Plain>(*this, std::forward<F>(function)), callable, site, options, "creel::Scope::go()");
    counted.scope = nullptr;
  }

  explicit Scope(std::pair<Context, CancelSource> made);
  void begin();
  void fail(std::exception_ptr error) noexcept;

  Context context_;
  CancelSource source_;
  WaitGroup fibers_;
  sched::SpinLock lock_;
  std::exception_ptr error_;  // guarded by lock_; the first one
  bool joined_ = false;       // set by the owner, when no fiber is left
  const int unwinding_;       // exceptions on their way when the scope was opened
};

}  // namespace creel
