// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The stack of a fiber that runs on another thread, for reports on fibers that do not come to a safe point.
//
// Two ways, so that a report changes as little as possible:
//  - The thread is blocked in the kernel: /proc/self/task/<id>/syscall tells its stack pointer and program counter. No
//    signal, which would end its sleep or poll early.
//  - The thread runs: it gets a real-time signal, whose handler copies registers and stack. SA_RESTART is set;
//    a call that it begins just then and that is never restarted (a sleep) may end with EINTR.
// The signal is the highest real-time one that has no handler when the first runtime starts; the handler is installed at the
// first probe, and not over one that the program has installed meanwhile.
// Names of the copy's frames: stack_unwind.h. Only of the innermost 64 KiB of the stack.
//
// Thread safety: any thread, one probe at a time. Blocking: until the thread answers or has used 30 ms of a CPU without doing
// so; up to the timeout where it does not get one. Source: the signals are those of Go's
// traceback of running goroutines in idea; there SIGQUIT is passed from thread to thread.

#pragma once

#include <chrono>

#include "creel/tracer/stack_walk.h"

namespace creel::sched {

struct Fiber;

// Lets this thread receive the signal, whatever its creator blocked. Caller: a worker's thread, at its start.
void allow_stack_probe() noexcept;

// Puts the stack of `fiber`, which ran on `thread` when the caller looked, into `key`. False: it does not run there any
// more, or the thread does not answer in time; `key` then has the start frame only.
[[nodiscard]] bool probe_stack(const Fiber& fiber, std::uint64_t thread, std::chrono::milliseconds timeout,
                               tracer::StackKey& key);

}  // namespace creel::sched
