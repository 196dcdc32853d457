// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A function kept until something starts it on a fiber of its own: after_func(), a Timer with a function.
//
// The fiber holds the task while it runs, so its owner may let go of it at any time. It appears in traces under the
// function's name and the place where the task was made, created by whoever started it (a timer: by no fiber).
// Internal to sync/.

#pragma once

#include <atomic>
#include <cstdint>
#include <source_location>
#include <type_traits>
#include <utility>

#include "creel/sched/spawn.h"
#include "creel/sync/cancel_hook.h"

namespace creel::sync {

struct DetachedTask {
  DetachedTask(tracer::StartCallable what, std::source_location where) noexcept : callable(what), site(where) {}
  virtual ~DetachedTask() = default;
  DetachedTask(const DetachedTask&) = delete;
  DetachedTask& operator=(const DetachedTask&) = delete;

  virtual void run() = 0;

  void retain() noexcept { references.fetch_add(1, std::memory_order_relaxed); }  // the caller holds one
  void release() noexcept {
    // Release: what a holder did; acquire: the destructor sees all of it.
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const tracer::StartCallable callable;
  const std::source_location site;
  CancelHook hook{CancelHook::Kind::kTask, this};  // after_func(): the list it is on holds a reference
  std::atomic<std::uint32_t> references{1};
};

template <typename F>
struct DetachedCall final : DetachedTask {
  template <typename G>
  DetachedCall(G&& function, std::source_location where)
      : DetachedTask(sched::callable_of<F>(function), where), callee(std::forward<G>(function)) {}
  void run() override { callee(); }
  F callee;
};

// A reference to a DetachedTask.
class TaskRef {
 public:
  TaskRef() noexcept = default;
  explicit TaskRef(DetachedTask* adopted) noexcept : task_(adopted) {}
  TaskRef(TaskRef&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  TaskRef& operator=(TaskRef&& other) noexcept {
    std::swap(task_, other.task_);
    return *this;
  }
  ~TaskRef() {
    if (task_ != nullptr) task_->release();
  }
  template <typename F>
  [[nodiscard]] static TaskRef make(F&& function, std::source_location where) {
    static_assert(std::is_invocable_v<std::decay_t<F>&>, "the function takes no arguments");
    return TaskRef(new DetachedCall<std::decay_t<F>>(std::forward<F>(function), where));
  }

  [[nodiscard]] TaskRef share() const noexcept {
    if (task_ != nullptr) task_->retain();
    return TaskRef(task_);
  }
  // Gives the reference up without dropping it.
  DetachedTask* leave() noexcept { return std::exchange(task_, nullptr); }
  [[nodiscard]] DetachedTask* get() const noexcept { return task_; }
  DetachedTask* operator->() const noexcept { return task_; }
  explicit operator bool() const noexcept { return task_ != nullptr; }

 private:
  DetachedTask* task_ = nullptr;
};

// Runs the task on a new fiber, which takes over the reference: so its callable is never destroyed by a timer's function.
// Errors: std::bad_alloc. Caller: a fiber or a timer's function. Ends with a safe point.
void start_task(TaskRef task);

}  // namespace creel::sync
