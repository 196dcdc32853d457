// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Runs a function once, whoever asks first; the others wait until it is done.
//
// An exception that leaves the function reaches its caller and leaves the Once uncalled: the next caller, or one that
// waits, tries again (as std::call_once, unlike Go). call() from inside the function deadlocks.
// Cost once done: one atomic load. Lifetime: may be destroyed once no call on it is running, that of the fiber which
// ran the function included: the others may return before it does.

#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <utility>

#include "creel/sync/wait_queue.h"

namespace creel {

class Once {
 public:
  constexpr Once() noexcept = default;
  ~Once();
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;

  // Returns after `function` has run to its end, here or elsewhere; its effects are visible then.
  // Blocking: parks the fiber while another one runs it. Errors: what `function` throws.
  template <typename F, typename... Args>
    requires std::invocable<F, Args...>
  void call(F&& function, Args&&... args) {
    if (done() || begin(nullptr) != Turn::kRun) return;
    Finish finish(*this);
    std::invoke(std::forward<F>(function), std::forward<Args>(args)...);
    finish.success = true;
  }
  // The same until `context` ends. False: it did while another fiber was running the function.
  template <typename F>
  [[nodiscard]] bool call(const Context& context, F&& function) {
    if (done()) return true;
    const sync::Limit limit(context);
    const Turn turn = begin(limit.endless() ? nullptr : &limit);
    if (turn != Turn::kRun) return turn == Turn::kDone;
    Finish finish(*this);
    std::invoke(std::forward<F>(function));
    finish.success = true;
    return true;
  }

  // Whether the function has run. Acquire pairs with the release in end(): true implies its effects are visible.
  [[nodiscard]] bool done() const noexcept { return state_.load(std::memory_order_acquire) == State::kDone; }

 private:
  enum class State : std::uint32_t { kNew = 0, kRunning = sched::LockWord::kHeld, kDone = 2 };

  // Ends the call, by exception unless `success`.
  struct Finish {
    explicit Finish(Once& owner) noexcept : once(owner) {
      once.holder_.store(CREEL_FRAME_ADDRESS(), std::memory_order_relaxed);
    }
    ~Finish() { once.end(success); }
    Finish(const Finish&) = delete;
    Finish& operator=(const Finish&) = delete;
    Once& once;
    bool success = false;
  };

  enum class Turn : std::uint8_t { kRun, kDone, kEnded };  // the caller runs the function; it is done; limit reached
  Turn begin(const sync::Limit* limit);
  Turn begin_queued(sync::Waiter& self);
  static bool expire(void* self, sync::Waiter& waiter, sync::WakeList& wakes);
  void end(bool success);

  // As sched::LockWord.
  std::atomic<State> state_{State::kNew};  // written under lock_
  sched::SpinLock lock_;
  std::atomic<std::uintptr_t> holder_{0};  // who runs the function, for dumps
  sync::WaitQueue queue_;  // guarded by lock_
};

}  // namespace creel
