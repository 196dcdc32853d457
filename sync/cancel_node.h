// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The tree of contexts: nodes with a value, nodes that can end, and the hooks that are told of the end.
//
// A node holds its parent alive; a parent knows its children, and all else that hangs on it, by CancelHooks, which are
// linked without allocating and hold nothing alive. A hook lies in the child, in the frame of a fiber that waits, or in
// an after_func().
//
// Invariants:
//  1. A hook is fired at most once, by whoever ended the node and took the hook off under the node's lock, with no lock
//     held. From then to its last touch the hook is kFiring, and forget() waits for that. Broken: a canceller writes to
//     a frame that is gone.
//  2. While a hook is kFiring its canceller neither parks nor reaches a safe point: forget() spins. It destroys nothing
//     either, so no destructor can wait for the walk it is part of. Broken: a fiber spins for one that cannot run.
//  3. Cancelling is a loop, not a recursion: trees may be deeper than a stack.
//  4. `error` is set before `done` is closed, and error() waits until it is: whoever sees one sees the other.
// Thread safety: all functions from any worker. Locks: CancelNode::lock_ is held for list operations only, no other lock
// is taken under it. Internal to sync/ and net/; users have Context. Source: context.cancelCtx of Go.

#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

#include "creel/sched/base/spinlock.h"
#include "creel/sched/timer.h"
#include "creel/sync/cancel_hook.h"
#include "creel/sync/channel.h"

namespace creel {

// Whether a context has ended, and why.
enum class ContextError : std::uint8_t {
  kNone,              // it has not
  kCancelled,         // cancelled
  kDeadlineExceeded,  // its deadline has passed
};

namespace sync {

// One context. Reference-counted: Context, CancelSource and child nodes hold it.
class ContextNode {
 public:
  // Takes over one reference to `above` (null: the background context).
  ContextNode(ContextNode* above, CancelNode* ends) noexcept : parent(above), canceller(ends) {}
  virtual ~ContextNode() = default;
  ContextNode(const ContextNode&) = delete;
  ContextNode& operator=(const ContextNode&) = delete;

  // Null is accepted: the background context.
  static void retain(ContextNode* node) noexcept {
    if (node != nullptr) node->references_.fetch_add(1, std::memory_order_relaxed);  // the caller holds one
  }
  // Destroys the node with its last reference, then lets go of its parent.
  static void release(ContextNode* node) noexcept;

  ContextNode* const parent;
  CancelNode* const canceller;    // the nearest node that can end, itself included; null: never ends
  const void* key = nullptr;      // of the value it carries; null: none
  const void* value = nullptr;

 private:
  std::atomic<std::uint32_t> references_{1};
};

class CancelNode final : public ContextNode {
 public:
  // Takes over one reference to `above`. Requires: attach() follows.
  explicit CancelNode(ContextNode* above) noexcept;
  ~CancelNode() override;

  // Hangs the node on its parent, and arms its deadline if that is earlier than the parent's. Ends it at once if the
  // parent has ended or the deadline has passed. Once. Caller: a fiber. Errors: std::bad_alloc (the timer heap).
  void attach(Clock::time_point deadline, std::exception_ptr deadline_cause);

  // Ends the node and all below it; the first one counts. `cause` null: the error itself. Caller: a fiber, or a timer's
  // function. Blocking: never; not a safe point until all is done. An after_func() that finds no memory for its fiber
  // ends the process.
  void cancel(ContextError error, std::exception_ptr cause) noexcept { cancel_tree(error, std::move(cause), false); }

  // Links `hook`, to be fired when the node ends. False: it has ended already, and `hook` is not linked.
  [[nodiscard]] bool watch(CancelHook& hook) noexcept;
  // Takes `hook` off. True: it was linked, and will not fire. Else waits until it has been fired, if it is being.
  bool forget(CancelHook& hook) noexcept;

  // Acquire pairs with the release in end(): cause() is set.
  [[nodiscard]] ContextError error() const noexcept {
    const ContextError error = error_.load(std::memory_order_acquire);
    if (error != ContextError::kNone) await_closed();
    return error;
  }
  // What it was ended with, or null. Requires: it has ended.
  [[nodiscard]] const std::exception_ptr& cause() const noexcept { return cause_; }
  // The earliest deadline of it and its ancestors; max(): none.
  [[nodiscard]] Clock::time_point deadline() const noexcept { return deadline_; }
  // Closed when the node ends.
  [[nodiscard]] Channel<void>& done() noexcept { return done_; }

 private:
  struct Walk;

  void cancel_tree(ContextError error, std::exception_ptr cause, bool by_timer) noexcept;
  void end(Walk& walk, bool stop_timer) noexcept;
  void unlink(CancelHook& hook, CancelHook::State state) noexcept;
  void await_closed() const noexcept;
  static void fire(sched::Timer& timer, void* self);

  Channel<void> done_;
  std::atomic<ContextError> error_{ContextError::kNone};  // written under lock_
  sched::SpinLock lock_;
  CancelHook* hooks_ = nullptr;       // guarded by lock_; latest first
  std::exception_ptr cause_;          // written once, before error_
  Clock::time_point deadline_ = Clock::time_point::max();  // constant after attach()
  std::exception_ptr deadline_cause_;                      // likewise
  CancelHook in_parent_;              // on the nearest ancestor that can end
  CancelNode* next_pending_ = nullptr;  // of the walk that fires in_parent_
  sched::Timer timer_;
};

}  // namespace sync
}  // namespace creel
