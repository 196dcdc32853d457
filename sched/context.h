// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The machine context of a fiber or of a worker's own stack, and the switch between two of them.
//
// Wraps the machine's part (machine_context.h). A switch also saves and restores the C++ exception state
// (__cxa_eh_globals), exactly once, so a fiber may park inside a catch block or a destructor during unwinding and resume
// on another thread; and tells ASan, TSan and valgrind of the switch. Nothing else in creel knows of sanitizers' fiber
// interfaces.
//
// Thread safety: a Context is used by one thread at a time: saved by the switch away from it, resumed once.
// Source: Itanium C++ ABI, section "Caught Exception Stack".

#pragma once

#include <cstdint>

#include "creel/sched/machine_context.h"
#include "creel/sched/stack.h"
#include "creel/tracer/trace_state.h"

namespace creel::sched {

// The C++ exception state of one flow of control; layout of __cxa_eh_globals.
struct __attribute__((may_alias)) EhState {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

class Context {
 public:
  Context() noexcept = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Code of a new context: receives what switch_context() passed as `data`; must never return.
  using Entry = void (*)(void* data);

  // Makes this a fresh context on `stack` that will run `entry` at the first switch to it, with an empty exception
  // state and the floating-point control words of the caller. A frame-pointer walk in it ends at a null saved frame
  // pointer.
  void prepare(Stack& stack, Entry entry) noexcept;
  // Makes this the context of the calling thread's own stack (a worker's scheduler stack). Once per thread.
  void adopt_thread() noexcept;
  // Gives up what adopt_thread() took. Caller: the same thread, on its own stack.
  void release_thread() noexcept;

 private:
  friend void* switch_context(Context& from, Context& to, void* data) noexcept;
  friend void exit_context(Context& from, Context& to, void* data) noexcept;
  friend struct ContextAccess;

  MachineContext machine_;
  // The exception state of the thread this context runs on. Only the running context's is valid: each switch hands it
  // on, so no switch looks up a thread_local (__cxa_get_globals() is declared const: compilers would keep its result
  // across a migration).
  EhState* thread_eh_ = nullptr;
  EhState eh_;  // valid while not running
#if defined(CREEL_ASAN) || defined(CREEL_TSAN)
  void* data_ = nullptr;  // what the switch to this context passes
  Entry entry_ = nullptr;
#endif
#if defined(CREEL_ASAN)
  void* asan_fake_stack_ = nullptr;
  tracer::StackBounds asan_stack_;
#endif
#if defined(CREEL_TSAN)
  void* tsan_fiber_ = nullptr;
#endif
};

#if defined(CREEL_ASAN) || defined(CREEL_TSAN)

// Saves the running flow in `from` and continues `to`. Returns, when somebody switches back to `from`, the `data` that
// somebody passed. `from` is completely saved only once the code of `to` runs. The calling thread may have changed on
// return: read nothing thread-local kept from before.
void* switch_context(Context& from, Context& to, void* data) noexcept;

// As switch_context, but `from` has ended and is never continued (lets ASan free its fake stack). Does not return to
// the caller; not marked noreturn, which would make ASan unpoison the whole stack.
void exit_context(Context& from, Context& to, void* data) noexcept;

#else

// Saves the running flow in `from` and continues `to`. Returns, when somebody switches back to `from`, the `data` that
// somebody passed. `from` is completely saved only once the code of `to` runs. The calling thread may have changed on
// return: read nothing thread-local kept from before.
[[gnu::always_inline]] inline void* switch_context(Context& from, Context& to, void* data) noexcept {
  // Both sides of the jump run on this thread and nothing throws in between: exchange the exception state here, at
  // once.
  EhState* const eh = from.thread_eh_;
  from.eh_ = *eh;
  *eh = to.eh_;
  to.thread_eh_ = eh;
  return jump(from.machine_, to.machine_, data);
}

// As switch_context, but `from` has ended and is never continued. Does not return to the caller.
[[gnu::always_inline]] inline void exit_context(Context& from, Context& to, void* data) noexcept {
  switch_context(from, to, data);
}

#endif

// TSan is told of switches without any ordering between the two sides ("no sync"): otherwise all fibers of a worker
// would be ordered and their races hidden. So whoever hands a fiber over (ready, start, join) says so with this pair:
// all before annotate_happens_before(a) on one flow is ordered before all after annotate_happens_after(a) on another.
// Nothing without TSan.
#if defined(CREEL_TSAN)
void annotate_happens_before(void* address) noexcept;
void annotate_happens_after(void* address) noexcept;
#else
inline void annotate_happens_before(void*) noexcept {}
inline void annotate_happens_after(void*) noexcept {}
#endif

}  // namespace creel::sched
