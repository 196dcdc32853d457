// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/cancel_node.h"

#include <sched.h>

#include <algorithm>
#include <utility>

#include "creel/sched/base/pause.h"
#include "creel/sched/preempt.h"
#include "creel/sync/detached_task.h"
#include "creel/sync/limit.h"

namespace creel::sync {

namespace {

// One round of waiting for a canceller on another worker, which may have lost its core.
void spin(unsigned& spins) noexcept {
  if (++spins % 64 == 0) sched_yield();
  sched::cpu_pause();
}

}  // namespace

void ContextNode::release(ContextNode* node) noexcept {
  // A loop: chains may be deeper than a stack. Release: what this holder did; acquire: the destructor sees all of it.
  while (node != nullptr && node->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    ContextNode* parent = node->parent;
    delete node;
    node = parent;
  }
}

// What one cancellation carries along.
struct CancelNode::Walk {
  ContextError error;
  std::exception_ptr cause;
  CancelNode* pending = nullptr;  // children taken off, kFiring, not ended yet
  CancelHook* tasks = nullptr;    // to be started at the end; the walk holds their references
};

CancelNode::CancelNode(ContextNode* above) noexcept
    : ContextNode(above, this), in_parent_(CancelHook::Kind::kChild, this), timer_(&CancelNode::fire, this) {}

CancelNode::~CancelNode() {
  timer_.stop();
  if (parent != nullptr && parent->canceller != nullptr) parent->canceller->forget(in_parent_);
  // Waits and children hold the node, so only tasks are left: nobody can end it any more.
  while (hooks_ != nullptr) {
    CancelHook& hook = *hooks_;
    unlink(hook, CancelHook::State::kIdle);
    const TaskRef dropped(static_cast<DetachedTask*>(hook.owner));
  }
}

void CancelNode::attach(Clock::time_point deadline, std::exception_ptr deadline_cause) {
  CancelNode* above = parent == nullptr ? nullptr : parent->canceller;
  const Clock::time_point inherited = above == nullptr ? Clock::time_point::max() : above->deadline_;
  deadline_ = std::min(deadline, inherited);
  deadline_cause_ = std::move(deadline_cause);
  // The timer first, so that whoever ends the parent can stop it.
  const ContextError error = above == nullptr ? ContextError::kNone : above->error();
  if (error == ContextError::kNone && deadline < inherited && deadline > Clock::now()) timer_.start(deadline);
  if (above != nullptr && !above->watch(in_parent_)) {
    cancel(above->error(), above->cause());
  } else if (deadline < inherited && deadline <= Clock::now()) {
    cancel(ContextError::kDeadlineExceeded, deadline_cause_);
  }
}

void CancelNode::cancel_tree(ContextError error, std::exception_ptr cause, bool by_timer) noexcept {
  Walk walk{error, std::move(cause)};
  {
    const sched::NoPreempt hold;  // invariant 2: closing a channel is a safe point elsewhere
    end(walk, !by_timer);
    while (CancelNode* child = walk.pending) {
      walk.pending = child->next_pending_;
      child->end(walk, true);
      child->in_parent_.state.store(CancelHook::State::kIdle, std::memory_order_release);  // the last touch
    }
    if (parent != nullptr && parent->canceller != nullptr) {
      CancelNode& above = *parent->canceller;
      above.lock_.lock();
      // Not linked: being fired, too, and nothing is left to take off.
      if (in_parent_.state.load(std::memory_order_relaxed) == CancelHook::State::kLinked) {
        above.unlink(in_parent_, CancelHook::State::kIdle);
      }
      above.lock_.unlock();
    }
  }
  while (CancelHook* hook = walk.tasks) {
    walk.tasks = hook->next;
    start_task(TaskRef(static_cast<DetachedTask*>(hook->owner)));
  }
}

// Ends this node alone; what hangs on it is fired, or put on the walk's lists.
void CancelNode::end(Walk& walk, bool stop_timer) noexcept {
  lock_.lock();
  if (error_.load(std::memory_order_relaxed) != ContextError::kNone) {
    lock_.unlock();
    return;
  }
  cause_ = walk.cause;
  error_.store(walk.error, std::memory_order_release);  // pairs with the acquire in error()
  lock_.unlock();
  done_.close();
  // The timer's function finds the node ended, so waiting for it is short.
  if (stop_timer) timer_.stop();

  for (;;) {
    lock_.lock();
    CancelHook* hook = hooks_;
    if (hook == nullptr) break;
    // A task is the walk's alone from here on.
    unlink(*hook, hook->kind == CancelHook::Kind::kTask ? CancelHook::State::kIdle : CancelHook::State::kFiring);
    lock_.unlock();
    switch (hook->kind) {
      case CancelHook::Kind::kCall:
        hook->fire(hook->owner);
        hook->state.store(CancelHook::State::kIdle, std::memory_order_release);  // the last touch
        break;
      case CancelHook::Kind::kChild: {
        auto* child = static_cast<CancelNode*>(hook->owner);
        child->next_pending_ = walk.pending;
        walk.pending = child;
        break;
      }
      case CancelHook::Kind::kTask:
        hook->next = walk.tasks;
        walk.tasks = hook;
        break;
    }
  }
  lock_.unlock();
}

bool CancelNode::watch(CancelHook& hook) noexcept {
  lock_.lock();
  const bool open = error_.load(std::memory_order_relaxed) == ContextError::kNone;
  if (open) {
    hook.prev = nullptr;
    hook.next = hooks_;
    if (hooks_ != nullptr) hooks_->prev = &hook;
    hooks_ = &hook;
    hook.state.store(CancelHook::State::kLinked, std::memory_order_relaxed);
  }
  lock_.unlock();
  return open;
}

bool CancelNode::forget(CancelHook& hook) noexcept {
  for (unsigned spins = 0;;) {
    // Acquire pairs with the release of the canceller's last touch.
    switch (hook.state.load(std::memory_order_acquire)) {
      case CancelHook::State::kIdle:
        return false;
      case CancelHook::State::kFiring:
        spin(spins);
        break;
      case CancelHook::State::kLinked: {
        lock_.lock();
        const bool linked = hook.state.load(std::memory_order_relaxed) == CancelHook::State::kLinked;
        if (linked) unlink(hook, CancelHook::State::kIdle);
        lock_.unlock();
        if (linked) return true;
        break;
      }
    }
  }
}

// Caller: holds lock_, or is the destructor. Requires: linked.
void CancelNode::unlink(CancelHook& hook, CancelHook::State state) noexcept {
  if (hook.prev != nullptr) {
    hook.prev->next = hook.next;
  } else {
    hooks_ = hook.next;
  }
  if (hook.next != nullptr) hook.next->prev = hook.prev;
  hook.next = hook.prev = nullptr;
  // Straight from kLinked: forget() looks without the lock, and must not see kIdle on the way to kFiring. Relaxed: what
  // it waits for comes with the release that ends kFiring.
  hook.state.store(state, std::memory_order_relaxed);
}

// The few instructions between the two in end().
void CancelNode::await_closed() const noexcept {
  for (unsigned spins = 0; !done_.closed();) spin(spins);
}

void CancelNode::fire(sched::Timer&, void* self) {
  auto& node = *static_cast<CancelNode*>(self);
  node.cancel_tree(ContextError::kDeadlineExceeded, node.deadline_cause_, true);
}

bool Limit::reached() const noexcept {
  if (context != nullptr && context->error() != ContextError::kNone) return true;
  return deadline != Clock::time_point::max() && deadline <= Clock::now();
}

}  // namespace creel::sync
