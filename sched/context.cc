// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/context.h"

#include <cxxabi.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>

#if defined(CREEL_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(CREEL_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

// The switch itself must not be instrumented: between the sanitizer's switch and the jump the two disagree on the
// stack.
#if defined(CREEL_TSAN) && defined(__clang__)
#define CREEL_NOT_INSTRUMENTED __attribute__((noinline, disable_sanitizer_instrumentation))
#elif defined(CREEL_TSAN)
#define CREEL_NOT_INSTRUMENTED __attribute__((noinline, no_sanitize("thread")))
#elif defined(CREEL_ASAN)
#define CREEL_NOT_INSTRUMENTED __attribute__((noinline, no_sanitize("address", "undefined")))
#else
#define CREEL_NOT_INSTRUMENTED
#endif

namespace creel::sched {

#if defined(CREEL_ASAN) || defined(CREEL_TSAN)
struct ContextAccess {
  // Runs on arrival in `self`, the switch that led here being complete.
  CREEL_NOT_INSTRUMENTED static void* arrive(Context& self) noexcept {
#if defined(CREEL_ASAN)
    __sanitizer_finish_switch_fiber(self.asan_fake_stack_, nullptr, nullptr);
    self.asan_fake_stack_ = nullptr;
#endif
    return self.data_;
  }

  CREEL_NOT_INSTRUMENTED static void* switch_to(Context& from, Context& to, void* data, bool last) noexcept {
    EhState* const eh = from.thread_eh_;
    from.eh_ = *eh;
    *eh = to.eh_;
    to.thread_eh_ = eh;
    to.data_ = data;
#if defined(CREEL_ASAN)
    __sanitizer_start_switch_fiber(last ? nullptr : &from.asan_fake_stack_,
                                   reinterpret_cast<const void*>(to.asan_stack_.low),
                                   to.asan_stack_.high - to.asan_stack_.low);
#else
    static_cast<void>(last);
#endif
#if defined(CREEL_TSAN)
    __tsan_switch_to_fiber(to.tsan_fiber_, __tsan_switch_to_fiber_no_sync);
#endif
    jump(from.machine_, to.machine_, &to);
    return arrive(from);
  }

  // First code of a fresh context.
  CREEL_NOT_INSTRUMENTED static void run(void* context) {
    Context& self = *static_cast<Context*>(context);
    void* const data = arrive(self);
    self.entry_(data);
    std::abort();  // an Entry never returns; also keeps the call above from becoming a tail call
  }
};
#endif

void Context::prepare(Stack& stack, Entry entry) noexcept {
  eh_ = EhState{};
  thread_eh_ = nullptr;
#if defined(CREEL_ASAN) || defined(CREEL_TSAN)
  entry_ = entry;
  entry = ContextAccess::run;
#endif
  machine_.prepare(stack.bounds.high, stack.bounds.low, entry);
#if defined(CREEL_ASAN)
  asan_fake_stack_ = nullptr;
  asan_stack_ = stack.bounds;
#endif
#if defined(CREEL_TSAN)
  if (stack.tsan_fiber == nullptr) stack.tsan_fiber = __tsan_create_fiber(0);
  tsan_fiber_ = stack.tsan_fiber;
#endif
}

void Context::adopt_thread() noexcept {
  thread_eh_ = reinterpret_cast<EhState*>(abi::__cxa_get_globals());
#if defined(CREEL_ASAN)
  pthread_attr_t attributes;
  void* low = nullptr;
  std::size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) std::abort();
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  asan_stack_ = {reinterpret_cast<std::uintptr_t>(low), reinterpret_cast<std::uintptr_t>(low) + size};
#endif
#if defined(CREEL_TSAN)
  tsan_fiber_ = __tsan_get_current_fiber();
#endif
}

void Context::release_thread() noexcept {
  thread_eh_ = nullptr;
#if defined(CREEL_TSAN)
  tsan_fiber_ = nullptr;
#endif
}

#if defined(CREEL_ASAN) || defined(CREEL_TSAN)
CREEL_NOT_INSTRUMENTED void* switch_context(Context& from, Context& to, void* data) noexcept {
  return ContextAccess::switch_to(from, to, data, false);
}

CREEL_NOT_INSTRUMENTED void exit_context(Context& from, Context& to, void* data) noexcept {
  ContextAccess::switch_to(from, to, data, true);
}
#endif

#if defined(CREEL_TSAN)
void annotate_happens_before(void* address) noexcept { __tsan_release(address); }
void annotate_happens_after(void* address) noexcept { __tsan_acquire(address); }
#endif

}  // namespace creel::sched
