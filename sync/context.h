// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Context: cancellation, a deadline and values, handed down the calls made on behalf of one request.
//
//   auto [context, cancel] = creel::Context::background().with_cancel();
//   creel::go([context] {
//     while (std::optional<Job> job = jobs.recv(context)) ...        // ends with the context
//     creel::select(creel::on_recv(jobs, ...), creel::on_done(context, [] { ... }));
//   });
//   cancel();                                                       // context and all derived from it end
//   creel::Context request = context.with_timeout(100ms).with_value<UserId>("bob");
//
// Every call that parks has a form with a context: recv(context), send(value, context), lock(context), wait(context),
// acquire(context), sleep_for(context, 10ms), ... It returns what the timed form of the same call returns, and says with
// false, or no value, that the context ended first; context.error() tells how. If both have come true the call
// succeeds, also with a context that has ended already. Nothing throws because of a context but throw_if_ended() and
// what says so (JoinHandle::join(context)).
//
// A Context is a handle: copies are cheap (a reference count) and end together. A derived context ends with the one it
// is derived from. It is taken off it, and its timer disarmed, when it ends or its last handle goes; there is no
// cancel function that must be called. Thread safety: all of it from any fiber, also at once.
// Source: package context of Go. Not so: contexts are not an interface, values have types, handles are not collected
// (an after_func() whose context nobody holds any more is dropped with it).

#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "creel/sync/cancel_node.h"
#include "creel/sync/deadline.h"
#include "creel/sync/detached_task.h"
#include "creel/sync/limit.h"
#include "creel/sync/select.h"

namespace creel {

// What throw_if_ended() throws, and the cause of a context that ended without one.
class Cancelled : public std::runtime_error {
 public:
  Cancelled() : Cancelled("creel: context cancelled") {}

 protected:
  explicit Cancelled(const char* what) : std::runtime_error(what) {}
};
class DeadlineExceeded : public Cancelled {
 public:
  DeadlineExceeded() : Cancelled("creel: context deadline exceeded") {}
};

class CancelSource;

namespace sync {

// One object per key type: its address is the key.
template <typename Key>
inline constexpr char kContextKey = 0;

template <typename T>
struct ValueNode final : ContextNode {
  template <typename U>
  ValueNode(ContextNode* above, const void* of, U&& carried)
      : ContextNode(above, above == nullptr ? nullptr : above->canceller), content(std::forward<U>(carried)) {
    key = of;
    value = &content;
  }
  const T content;
};

}  // namespace sync

// See the top of this file.
class Context {
 public:
  // The root: never ends, has no deadline and no values. Allocates nothing.
  Context() noexcept = default;
  [[nodiscard]] static Context background() noexcept { return Context(); }

  Context(const Context& other) noexcept : node_(other.node_) { sync::ContextNode::retain(node_); }
  Context(Context&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Context& operator=(const Context& other) noexcept {
    Context copy(other);
    std::swap(node_, copy.node_);
    return *this;
  }
  Context& operator=(Context&& other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~Context() { sync::ContextNode::release(node_); }

  // A context that also ends when its CancelSource says so / `duration` from now / at `when` (at once if that is past).
  // A deadline later than this context's own changes nothing. `cause`: what cause() gives if the deadline ends it. To
  // cancel a context with a deadline early, derive it from one with a CancelSource. Caller: a fiber.
  // Errors: std::bad_alloc.
  [[nodiscard]] std::pair<Context, CancelSource> with_cancel() const;
  template <typename Rep, typename Period>
  [[nodiscard]] Context with_timeout(std::chrono::duration<Rep, Period> duration,
                                     std::exception_ptr cause = nullptr) const {
    return derive(sync::deadline_after(duration), std::move(cause));
  }
  template <typename C, typename D>
  [[nodiscard]] Context with_deadline(std::chrono::time_point<C, D> when, std::exception_ptr cause = nullptr) const {
    return derive(sync::to_deadline(when), std::move(cause));
  }
  // A context that also carries a value. Key is a type made for this, with the value's type: struct UserId { using Type
  // = std::string; };  Errors: std::bad_alloc, and what moving or copying the value throws.
  template <typename Key, typename U = typename Key::Type>
    requires std::constructible_from<typename Key::Type, U>
  [[nodiscard]] Context with_value(U&& value) const {
    auto* node = new sync::ValueNode<typename Key::Type>(node_, &sync::kContextKey<Key>, std::forward<U>(value));
    sync::ContextNode::retain(node_);  // the new node's
    return Context(node);
  }
  // A context with the same values that does not end with this one and has no deadline. Errors: std::bad_alloc.
  [[nodiscard]] Context without_cancel() const;

  // Whether and how it has ended. Once not kNone, it stays, and done() is closed.
  [[nodiscard]] ContextError error() const noexcept {
    return canceller() == nullptr ? ContextError::kNone : canceller()->error();
  }
  [[nodiscard]] bool ended() const noexcept { return error() != ContextError::kNone; }
  // The exception given to cancel(), or as the deadline's cause, of this context or the one it ended with; else a
  // Cancelled or DeadlineExceeded. Null while it has not ended. Errors: std::bad_alloc.
  [[nodiscard]] std::exception_ptr cause() const;
  // Throws Cancelled or DeadlineExceeded if it has ended.
  void throw_if_ended() const;
  // The moment at which it ends at the latest.
  [[nodiscard]] std::optional<sync::Clock::time_point> deadline() const noexcept;
  // Closed when the context ends; null if it never can. To be received from only. Valid while a handle is held.
  [[nodiscard]] Channel<void>* done() const noexcept {
    return canceller() == nullptr ? nullptr : &canceller()->done();
  }

  // The value for Key given last on the way down to this context, or null. Valid while a handle is held.
  template <typename Key>
  [[nodiscard]] const typename Key::Type* value() const noexcept {
    return static_cast<const typename Key::Type*>(find(&sync::kContextKey<Key>));
  }

  // For the forms of calls that take a context. Null: never ends.
  [[nodiscard]] sync::CancelNode* canceller() const noexcept { return node_ == nullptr ? nullptr : node_->canceller; }

 private:
  explicit Context(sync::ContextNode* adopted) noexcept : node_(adopted) {}
  [[nodiscard]] Context derive(sync::Clock::time_point deadline, std::exception_ptr cause) const;
  [[nodiscard]] const void* find(const void* key) const noexcept;

  sync::ContextNode* node_ = nullptr;  // null: background
};

// Ends the context it was made with. A handle, as Context; holds the context alive, and does nothing when it goes.
class CancelSource {
 public:
  // Ends the context and all derived from it, wakes who waits on them, and starts their after_func()s. The first call
  // counts, also against the deadline. `cause`: an exception, or a pointer to one. Caller: a fiber.
  // Blocking: never parks; a safe point.
  void cancel(std::exception_ptr cause = nullptr) const;
  template <std::derived_from<std::exception> E>
  void cancel(E cause) const {
    cancel(std::make_exception_ptr(std::move(cause)));
  }
  void operator()() const { cancel(); }
  template <typename E>
  void operator()(E&& cause) const {
    cancel(std::forward<E>(cause));
  }

 private:
  friend class Context;
  explicit CancelSource(Context context) noexcept : context_(std::move(context)) {}

  Context context_;
};

class AfterFunc;

// Runs `function` on a fiber of its own when `context` ends, at once if it has. Errors: std::bad_alloc, what moving or
// copying `function` throws. Caller: a fiber.
template <typename F>
AfterFunc after_func(const Context& context, F&& function,
                     std::source_location site = std::source_location::current());

// Undoes an after_func(). A handle that holds the context alive; dropping it undoes nothing. Movable. One user at
// a time.
class AfterFunc {
 public:
  // True: the function will not run. False: it has been started, or stopped before; does not wait for it.
  bool stop() noexcept;

 private:
  template <typename F>
  friend AfterFunc after_func(const Context& context, F&& function, std::source_location site);
  AfterFunc(const Context& context, sync::TaskRef task);

  Context context_;
  sync::TaskRef task_;  // empty once stopped or started
};

template <typename F>
AfterFunc after_func(const Context& context, F&& function, std::source_location site) {
  return AfterFunc(context, sync::TaskRef::make(std::forward<F>(function), site));
}

// A case of select(): happens when `context` has ended. The context must outlive the select.
template <typename F = sync::NoHandler>
[[nodiscard]] auto on_done(const Context& context, F handler = {}) {
  return on_recv(context.done(), std::move(handler));
}

// Parks until `context` ends; forever if it never can. Reason "chan receive". Caller: a fiber.
void wait_done(const Context& context);

// Parks for `duration` / until `when`. True: to the end. False: `context` ended before. Reason "sleep". Caller: a fiber.
// Errors: std::bad_alloc.
bool sleep_until(const Context& context, sync::Clock::time_point when);
template <typename C, typename D>
bool sleep_until(const Context& context, std::chrono::time_point<C, D> when) {
  return sleep_until(context, sync::to_deadline(when));
}
template <typename Rep, typename Period>
bool sleep_for(const Context& context, std::chrono::duration<Rep, Period> duration) {
  return sleep_until(context, sync::deadline_after(duration));
}

}  // namespace creel
