// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Blocking sections: code that may block the OS thread, declared, so that its P can run other fibers meanwhile.
//
// Entering costs two plain stores; the monitor retakes the P of a section that lasts longer than 20 us .. 10 ms (its
// back-off). Leaving: one compare-exchange when the P was not retaken; else another idle P; else the fiber goes to the
// global queue. Source: entersyscall/exitsyscall of Go's runtime/proc.go.

#pragma once

#include <type_traits>
#include <utility>

namespace creel::sched {

void enter_blocking();
void enter_blocking_of_runtime();  // the same, for what no program asked for
void leave_blocking();

class BlockingSection {
 public:
  BlockingSection() { enter_blocking(); }
  ~BlockingSection() { leave_blocking(); }  // may park the fiber, also during unwinding
  BlockingSection(const BlockingSection&) = delete;
  BlockingSection& operator=(const BlockingSection&) = delete;
};

}  // namespace creel::sched

namespace creel {

// Runs `fn`, which may block the OS thread (system calls, foreign locks), without holding up other fibers. Returns what
// it returns and lets its exceptions through; errno is preserved. On a thread that runs no fiber, just calls `fn`.
// Inside `fn` creel's parking calls are not allowed (they end the process with a message); nested blocking() is.
// Blocking: the thread; the fiber may resume on another thread after `fn` has returned.
// Trace: a syscall of the fiber; its P shows as retaken when it lasted.
template <typename F>
auto blocking(F&& fn) -> std::invoke_result_t<F> {
  sched::BlockingSection section;
  return std::forward<F>(fn)();
}

}  // namespace creel
