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

// First code of a fresh context, entered by Boost's trampoline with the arguments of creel_context_main in registers:
// clears the frame pointer and the return address, so that frame-pointer and DWARF walks both end at the frame of
// creel_context_main.
extern "C" void creel_context_start(boost::context::detail::transfer_t arrival);
#if defined(__x86_64__)
extern "C" __attribute__((naked, visibility("hidden"))) void creel_context_start(boost::context::detail::transfer_t) {
  asm("xorl %ebp, %ebp\n\t"
      "movq $0, (%rsp)\n\t"
      "jmp creel_context_main");
}
#elif defined(__aarch64__)
asm(".text\n\t"
    ".globl creel_context_start\n\t"
    ".hidden creel_context_start\n\t"
    ".type creel_context_start, %function\n"
    "creel_context_start:\n\t"
    "mov x29, xzr\n\t"
    "mov x30, xzr\n\t"
    "b creel_context_main\n\t"
    ".size creel_context_start, . - creel_context_start");
#else
#error "creel has no context start for this architecture"
#endif

namespace creel::sched {

#if defined(__x86_64__) && !defined(CREEL_ASAN) && !defined(CREEL_TSAN)
namespace {

bool find_mxcsr() noexcept {
  // A control word no other field of a fresh context can equal by chance: flush-to-zero and the underflow flag set.
  alignas(64) unsigned char memory[1024] = {};
  const unsigned int before = _mm_getcsr();
  const unsigned int probe = before ^ 0x8010;
  _mm_setcsr(probe);
  const void* const saved =
      boost::context::detail::make_fcontext(memory + sizeof(memory), sizeof(memory), creel_context_start);
  _mm_setcsr(before);
  unsigned int first = 0;
  std::memcpy(&first, saved, sizeof(first));
  return first == probe;
}

}  // namespace

const bool kMxcsrIsFirst = find_mxcsr();
#endif

struct ContextAccess {
  using Transfer = boost::context::detail::transfer_t;

  // Runs on arrival in `self`, the switch that led here being complete.
  CREEL_NOT_INSTRUMENTED static void* arrive(Context& self, Transfer arrival) noexcept {
#if defined(CREEL_ASAN)
    __sanitizer_finish_switch_fiber(self.asan_fake_stack_, nullptr, nullptr);
    self.asan_fake_stack_ = nullptr;
#endif
    self.prev_->sp_ = arrival.fctx;
    return self.data_;
  }

  CREEL_NOT_INSTRUMENTED static void* jump(Context& from, Context& to, void* data, bool last) noexcept {
    EhState* const eh = from.thread_eh_;
    from.eh_ = *eh;
    *eh = to.eh_;
    to.thread_eh_ = eh;
    to.prev_ = &from;
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
    return arrive(from, boost::context::detail::jump_fcontext(to.sp_, &to));
  }

  // Not noexcept: the search for a handler then ends at the null return address, and std::terminate() is called where
  // the exception was thrown, its stack still there to be reported.
  CREEL_NOT_INSTRUMENTED static void run(Transfer arrival) {
    Context& self = *static_cast<Context*>(arrival.data);
    void* const data = arrive(self, arrival);
    self.entry_(data);
    std::abort();  // an Entry never returns; also keeps the call above from becoming a tail call
  }
};

void Context::prepare(Stack& stack, Entry entry) noexcept {
  sp_ = boost::context::detail::make_fcontext(reinterpret_cast<void*>(stack.bounds.high),
                                              stack.bounds.high - stack.bounds.low, creel_context_start);
  eh_ = EhState{};
  thread_eh_ = nullptr;
  entry_ = entry;
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
  return ContextAccess::jump(from, to, data, false);
}

CREEL_NOT_INSTRUMENTED void exit_context(Context& from, Context& to, void* data) noexcept {
  ContextAccess::jump(from, to, data, true);
}
#endif

#if defined(CREEL_TSAN)
void annotate_happens_before(void* address) noexcept { __tsan_release(address); }
void annotate_happens_after(void* address) noexcept { __tsan_acquire(address); }
#endif

}  // namespace creel::sched

extern "C" __attribute__((used, visibility("hidden"))) void creel_context_main(
    boost::context::detail::transfer_t arrival) {
  creel::sched::ContextAccess::run(arrival);
}
