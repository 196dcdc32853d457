// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Threads that creel did not start: what lets them use channels, locks, timers, go() and the rest of sync/.
//
// At its first call that waits for, wakes or creates a fiber, such a thread is attached: it gets a fiber (G) that runs on the
// thread's own stack, and a worker (M). Outside of such calls the fiber is in a blocking section (a syscall) that it leaves for
// the time of a call, getting a processor as any fiber that comes back from a blocking section does; so a thread that
// computes, or blocks in code that knows nothing of creel, holds up nobody. Where a fiber would park, the thread waits on a
// futex: its fiber is pinned to it as by a PinScope. When the thread ends it is detached.
// Waking a fiber needs no processor: the fiber goes to the global queue.
//
// Trace: Go's of a C thread that calls Go: GoCreateSyscall, GoSyscallEndBlocked and GoStart at the first call that needs a
// processor, GoSyscallBegin after it, ..., GoDestroySyscall.
//
// The runtime's end: a thread outside of any call is let go and may be attached to the next runtime. One inside a call stays
// there for good, as fibers do, and so does one that begins a call while the runtime ends; a wake does nothing then. Without
// a runtime such a call ends the process with a message. So join threads before the main fiber returns.
// What needs more of a fiber (creel::net, os, FiberLocal, PinScope) ends the process with a message: creel::run_on().
// Source: needm, cgocallbackg, dropm of Go's runtime.

#pragma once

#include <cstdint>
#include <utility>

#include "creel/sched/worker.h"

namespace creel {

// Attaches the calling thread at once, and detaches it at the end of the scope rather than of the thread. Meanwhile the
// runtime knows of the thread: fibers that wait for what it may do are no deadlock. May be nested: the outermost counts. On a
// thread that runs a fiber: nothing.
// Errors: ends the process with a message if no runtime runs. Blocking: never.
class [[nodiscard]] ThreadScope {
 public:
  ThreadScope();
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  bool attached_;
};

// While one lives fibers that all wait are no deadlock: a thread that creel has not heard of yet may wake them. Make it before
// the thread starts and keep it until the thread is attached, has done its work, or cannot come any more; e.g. moved into
// the thread's function. For the whole run: in main(), before creel::run(). (Go never reports a deadlock with cgo.)
// The end of the last one reports the deadlock if there is one by then.
// Thread safety: any thread, with or without a runtime. Blocking: never.
class [[nodiscard]] ExpectThreads {
 public:
  ExpectThreads() noexcept;
  ~ExpectThreads();
  ExpectThreads(ExpectThreads&& other) noexcept : holds_(std::exchange(other.holds_, false)) {}
  ExpectThreads& operator=(ExpectThreads&&) = delete;

 private:
  bool holds_ = true;
};

namespace sched {

struct OutsideThread;

// While it lives a thread outside runs as a fiber, with a processor. Caller: such a thread, without a SpinLock held (any other
// thread that has no fiber to run now ends the process with a message); `what` names the API called.
// Blocking: until there is a processor.
class FiberCall {
 public:
  explicit FiberCall(const char* what);
  ~FiberCall();
  FiberCall(const FiberCall&) = delete;
  FiberCall& operator=(const FiberCall&) = delete;

 private:
  OutsideThread& thread_;
};

// `call` as a fiber. Of calls that found no fiber_here(), so that those that find one pay nothing for threads outside.
template <typename F>
[[gnu::noinline, gnu::cold]] auto as_fiber(const char* what, F call) {
  const FiberCall inside(what);
  return call();
}

// The same without a processor, and with whatever lock held: to wake fibers. False: the runtime ends, there is nobody to wake.
// Caller: a thread without a worker.
class WakeCall {
 public:
  explicit WakeCall(const char* what);
  ~WakeCall();
  WakeCall(const WakeCall&) = delete;
  WakeCall& operator=(const WakeCall&) = delete;
  explicit operator bool() const noexcept { return thread_ != nullptr; }

 private:
  OutsideThread* thread_;
};

// The P of the worker's blocking section goes to another at once. Caller: the worker, in that section, which has one.
void give_up_blocked_proc(Worker& worker);

// A parked fiber has been decided by somebody who has not made it runnable yet, maybe a thread outside that is not attached yet;
// and that it is running. As with an ExpectThreads nothing is reported as a deadlock between the two. Caller: a worker (false:
// it is none, and nothing was said); the fiber.
[[nodiscard]] bool wake_is_coming() noexcept;
void wake_came() noexcept;

// Number of ExpectThreads alive.
[[nodiscard]] std::uint32_t threads_expected() noexcept;

// The fiber of the attached thread whose own stack `address` is on; 0: none. Any thread, with any lock held.
[[nodiscard]] std::uint64_t outside_fiber_at(std::uintptr_t address) noexcept;

// fast_random() on a thread without a worker.
[[nodiscard]] std::uint32_t random_outside() noexcept;

// The runtime stops: lets go of the threads that are in no call. Caller: run_scheduler(); s.lock held.
void let_outside_threads_go(Scheduler& s);

}  // namespace sched
}  // namespace creel
