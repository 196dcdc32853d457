// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Waiting for a descriptor until a context ends: for the forms of calls that take a Context.
//
// As everywhere, a call that need not wait succeeds, also with a context that has ended. Else its error is
// std::errc::timed_out (the context's deadline) or std::errc::operation_canceled. What the context does not end is the
// wait for another fiber's read, or write, on the same handle to finish.

#pragma once

#include <cerrno>
#include <optional>

#include "creel/net/descriptor.h"
#include "creel/net/error.h"
#include "creel/sync/cancel_node.h"
#include "creel/sync/context.h"

namespace creel::net::detail {

// While it lives the end of `node` ends the waits on one side of `descriptor` with ECANCELED. Requires: the side is
// entered, by the calling fiber.
class CancelGuard {
 public:
  CancelGuard(Descriptor& descriptor, Side side, sync::CancelNode& node);
  ~CancelGuard();
  CancelGuard(const CancelGuard&) = delete;
  CancelGuard& operator=(const CancelGuard&) = delete;

 private:
  Descriptor& descriptor_;
  Side side_;
  sync::CancelNode& node_;
  sync::CancelHook hook_;
};

// How an ended context is told: an errno value.
[[nodiscard]] inline int error_of(const sync::CancelNode& node) noexcept {
  return node.error() == ContextError::kDeadlineExceeded ? ETIMEDOUT : ECANCELED;
}

// repeat_ready() (descriptor.h) that also ends with `node`, which may be null.
template <typename F>
[[nodiscard]] inline auto repeat_ready(Descriptor& descriptor, Side side, sync::CancelNode* node, F call)
    -> decltype(call()) {
  if (node == nullptr) [[likely]] return repeat_ready(descriptor, side, call);
  std::optional<CancelGuard> guard;  // only once it has to wait
  for (;;) {
    const auto result = call();
    if (result != -EAGAIN) return result;
    if (!guard) guard.emplace(descriptor, side, *node);
    if (const int error = descriptor.wait(side)) return -(error == ECANCELED ? error_of(*node) : error);
  }
}

[[nodiscard]] inline sync::CancelNode* node_of(const Context* context) noexcept {
  return context == nullptr ? nullptr : context->canceller();
}

// retry_ready() (descriptor.h) that also ends with `context`; null: as without.
template <typename F>
[[nodiscard]] inline auto retry_ready(Descriptor& descriptor, Side side, const Context* context, F call)
    -> decltype(call()) {
  if (const int error = descriptor.prepare(side)) return -error;
  return repeat_ready(descriptor, side, node_of(context), call);
}

// The same for a read that may wait first.
template <typename F>
[[nodiscard]] inline auto retry_read(Descriptor& descriptor, const Context* context, F call) -> decltype(call()) {
  if (!descriptor.waits_first()) return retry_ready(descriptor, Side::kRead, context, call);
  if (const int error = descriptor.check_state(Side::kRead)) return -error;
  {
    std::optional<CancelGuard> guard;
    sync::CancelNode* const node = node_of(context);
    if (node != nullptr) guard.emplace(descriptor, Side::kRead, *node);
    if (descriptor.wait(Side::kRead) == kClosed) return -kClosed;
  }
  return repeat_ready(descriptor, Side::kRead, node_of(context), call);
}

}  // namespace creel::net::detail
