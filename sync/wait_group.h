// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Waits for a number of fibers to finish.
//
//   creel::WaitGroup wg;
//   for (...) wg.go([...] { ... });
//   wg.wait();
//
// add() with a positive number must happen before the wait() it is to be seen by, as in Go. The group may be destroyed
// as soon as all calls of wait() have returned, even if the last done() has not; and used again then. What happened
// before done() happens before the return of the wait() it releases. Source: sync.WaitGroup of Go.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <source_location>
#include <type_traits>
#include <utility>

#include "creel/sched/spawn.h"
#include "creel/sync/deadline.h"
#include "creel/sync/wait_queue.h"

namespace creel {

class WaitGroup {
 public:
  constexpr WaitGroup() noexcept = default;
  ~WaitGroup();
  WaitGroup(const WaitGroup&) = delete;
  WaitGroup& operator=(const WaitGroup&) = delete;

  // Adds to the counter; at zero wakes all waiters. A counter below zero, or above 2^31 - 1, is a misuse and ends the
  // process, as is an add() that meets waiters at zero. Blocking: never.
  void add(std::int32_t delta);
  void done() { add(-1); }

  // Runs `function` in a new fiber, counted until it has returned and is destroyed (if it can be moved: what it held is gone
  // before wait() returns). So `function` must not become the last owner of the group, as one that holds a shared_ptr to it
  // may when wait() has given up: creel::go() and done() are for that. An exception that leaves it ends the process, as for
  // any detached fiber. `site` names the fiber in traces. Errors: std::bad_alloc, and what copying `function` throws; the
  // counter is as before then.
  template <typename F>
  void go(F&& function, std::source_location site = std::source_location::current()) {
    spawn(nullptr, std::forward<F>(function), site);
  }
  // The same with a name and a stack size. Errors also: std::invalid_argument for a stack size that is not accepted.
  template <typename F>
  void go(const FiberOptions& options, F&& function, std::source_location site = std::source_location::current()) {
    spawn(&options, std::forward<F>(function), site);
  }

  // Parks until the counter is zero.
  void wait();
  // True: the counter was zero. False: time was up. Errors: std::bad_alloc if no timer can be armed.
  template <typename Rep, typename Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> duration) {
    return wait_limit(sync::deadline_after(duration));
  }
  template <typename C, typename D>
  [[nodiscard]] bool wait_until(std::chrono::time_point<C, D> when) {
    return wait_limit(sync::to_deadline(when));
  }
  // True: the counter was zero. False: `context` ended before.
  [[nodiscard]] bool wait(const Context& context) { return wait_limit(sync::Limit(context)); }

 private:
  // add(1), undone unless kept.
  class Counted {
   public:
    explicit Counted(WaitGroup& group) : group_(&group) { group_->add(1); }
    ~Counted() {
      if (group_ != nullptr) group_->done();
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    void keep() noexcept { group_ = nullptr; }

   private:
    WaitGroup* group_;
  };

  template <typename F>
  void spawn(const FiberOptions* options, F&& function, std::source_location site) {
    static_assert(std::is_invocable_v<std::decay_t<F>&>, "WaitGroup::go() takes a callable without arguments");
    const auto callable = sched::callable_of<std::decay_t<F>>(function);
    Counted counted(*this);
    sched::spawn_detached(
        [this, callee = std::forward<F>(function)]() mutable {
          {
            auto body = std::move(callee);
            body();
          }  // what it holds is gone before wait() returns
          done();
        },
        callable, site, options, "creel::WaitGroup::go()");
    counted.keep();
  }

  bool wait_limit(const sync::Limit& limit);
  bool wait_queued(sync::Waiter& self);
  static bool expire(void* self, sync::Waiter& waiter, sync::WakeList& wakes);

  std::atomic<std::uint64_t> state_{0};  // counter << 32 | number of waiters
  sched::SpinLock lock_;
  sync::WaitQueue queue_;  // guarded by lock_
};

}  // namespace creel
