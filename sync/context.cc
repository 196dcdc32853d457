// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/context.h"

#include "creel/sched/preempt.h"
#include "creel/sync/wait_queue.h"

namespace creel {

using sync::CancelNode;
using sync::Clock;
using sync::ContextNode;

namespace {

std::exception_ptr default_cause(ContextError error) {
  return error == ContextError::kDeadlineExceeded ? std::make_exception_ptr(DeadlineExceeded())
                                                  : std::make_exception_ptr(Cancelled());
}

}  // namespace

Context Context::derive(Clock::time_point deadline, std::exception_ptr cause) const {
  auto* node = new CancelNode(node_);
  ContextNode::retain(node_);  // the new node's
  Context context(node);
  node->attach(deadline, std::move(cause));
  return context;
}

std::pair<Context, CancelSource> Context::with_cancel() const {
  Context context = derive(Clock::time_point::max(), nullptr);
  return {context, CancelSource(context)};
}

Context Context::without_cancel() const {
  auto* node = new ContextNode(node_, nullptr);
  ContextNode::retain(node_);  // the new node's
  return Context(node);
}

std::exception_ptr Context::cause() const {
  const ContextError how = error();
  if (how == ContextError::kNone) return nullptr;
  const std::exception_ptr& given = canceller()->cause();
  return given != nullptr ? given : default_cause(how);
}

void Context::throw_if_ended() const {
  switch (error()) {
    case ContextError::kNone:
      return;
    case ContextError::kCancelled:
      throw Cancelled();
    case ContextError::kDeadlineExceeded:
      throw DeadlineExceeded();
  }
}

std::optional<Clock::time_point> Context::deadline() const noexcept {
  if (canceller() == nullptr || canceller()->deadline() == Clock::time_point::max()) return std::nullopt;
  return canceller()->deadline();
}

const void* Context::find(const void* key) const noexcept {
  for (const ContextNode* node = node_; node != nullptr; node = node->parent) {
    if (node->key == key) return node->value;
  }
  return nullptr;
}

void CancelSource::cancel(std::exception_ptr cause) const {
  sched::safe_point();
  const Context held = context_;  // who is woken may drop this source before the call returns
  held.canceller()->cancel(ContextError::kCancelled, std::move(cause));
}

AfterFunc::AfterFunc(const Context& context, sync::TaskRef task) : context_(context), task_(std::move(task)) {
  CancelNode* canceller = context_.canceller();
  if (canceller == nullptr) return;
  sync::TaskRef listed = task_.share();
  if (canceller->watch(listed->hook)) {
    (void)listed.leave();  // the list's
  } else {
    start_task(std::move(task_));
  }
}

bool AfterFunc::stop() noexcept {
  const sync::TaskRef task = std::move(task_);
  if (!task) return false;
  CancelNode* canceller = context_.canceller();
  if (canceller == nullptr) return true;
  if (!canceller->forget(task->hook)) return false;
  const sync::TaskRef listed(task.get());  // the list's
  return true;
}

void wait_done(const Context& context) {
  if (Channel<void>* done = context.done(); done != nullptr) {
    done->recv();
  } else {
    sync::block_forever();
  }
}

namespace {

// What a sleeping fiber waits on: nobody but its limits can take it off.
struct Sleep {
  static bool expire(void* self, sync::Waiter& waiter, sync::WakeList&) {
    static_cast<Sleep*>(self)->queue.remove(waiter);
    return true;
  }
  sched::SpinLock lock;
  sync::WaitQueue queue;  // guarded by lock
};

}  // namespace

bool sleep_until(const Context& context, Clock::time_point when) {
  if (context.canceller() == nullptr) {
    sched::sleep_until(when);
    return true;
  }
  if (when <= Clock::now()) {
    sched::yield();
    return true;
  }
  sched::safe_point();
  Sleep sleep;
  sched::Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] {
    return sched::as_fiber("creel::sleep_for() or sleep_until()", [&] { return sleep_until(context, when); });
  }
  sync::Waiter self(fiber);
  {
    const sync::Expiry expiry(self, sleep.lock, &Sleep::expire, &sleep, sync::Limit(context, when));
    sleep.lock.lock();
    if (self.expired) {
      sleep.lock.unlock();
    } else {
      sleep.queue.push_back(self);
      sync::park_waiter(self, sleep.lock, sched::BlockReason::kSleep, nullptr);
    }
  }
  return when <= Clock::now();
}

namespace sync {

Limit::Limit(const Context& ended) noexcept : context(ended.canceller()) {}

}  // namespace sync
}  // namespace creel
