// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fibers without a scheduler, for the tests of contexts and stacks.

#pragma once

#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "creel/sched/context.h"
#include "creel/sched/stack_pool.h"

namespace creel::sched::test {

// The context of the constructing thread.
class ThreadContext {
 public:
  ThreadContext() { context.adopt_thread(); }
  ~ThreadContext() { context.release_thread(); }
  Context context;
};

// A coroutine: runs `body` on a pooled stack, whoever calls resume() lending the thread.
class Coroutine {
 public:
  Coroutine(StackPool& pool, std::function<void(Coroutine&)> body, std::size_t size = 0)
      : pool_(pool), body_(std::move(body)) {
    std::error_code error;
    stack_ = pool.allocate(size, error);
    if (stack_ == nullptr) throw std::system_error(error);
    context_.prepare(*stack_, &Coroutine::main);
  }
  ~Coroutine() { pool_.release(stack_); }
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  // Runs the body until it suspends or ends. Returns false once it has ended.
  bool resume(ThreadContext& thread) {
    resumer_ = &thread.context;
    annotate_happens_before(this);
    switch_context(thread.context, context_, this);
    annotate_happens_after(this);
    return !ended_;
  }
  // Caller: the body.
  void suspend() {
    Context& resumer = *resumer_;
    annotate_happens_before(this);
    switch_context(context_, resumer, nullptr);
    annotate_happens_after(this);
  }
  [[nodiscard]] Stack& stack() noexcept { return *stack_; }

 private:
  static void main(void* data) {
    auto& self = *static_cast<Coroutine*>(data);
    annotate_happens_after(&self);
    self.body_(self);
    self.ended_ = true;
    Context& resumer = *self.resumer_;
    annotate_happens_before(&self);
    exit_context(self.context_, resumer, nullptr);
  }

  StackPool& pool_;
  std::function<void(Coroutine&)> body_;
  Stack* stack_ = nullptr;
  Context context_;
  Context* resumer_ = nullptr;
  bool ended_ = false;
};

// Resumes the coroutine to its end, each time on the other of two threads. Returns the number of resumes.
inline int run_migrating(Coroutine& coroutine) {
  std::mutex mu;
  std::condition_variable turned;
  int turn = 0;
  bool ended = false;
  const auto loop = [&](int me) {
    ThreadContext thread;
    std::unique_lock lock(mu);
    for (;;) {
      turned.wait(lock, [&] { return ended || turn % 2 == me; });
      if (ended) return;
      ended = !coroutine.resume(thread);
      ++turn;
      turned.notify_all();
    }
  };
  std::thread other(loop, 1);
  loop(0);
  other.join();
  return turn;
}

// As Coroutine::resume() to the end on the calling thread.
inline void run_to_end(Coroutine& coroutine, ThreadContext& thread) {
  while (coroutine.resume(thread)) {
  }
}

}  // namespace creel::sched::test
