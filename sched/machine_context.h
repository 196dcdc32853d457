// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The processor's part of a context switch: stack pointer, frame pointer, where to go on, floating-point control words.
//
// x86-64: our own few instructions, always inlined. They end in an indirect jump and contain no call: a call that is not
// matched by its return (Boost's jump_fcontext is one) shifts the processor's return-address predictor, and every return of
// every frame after the switch is then mispredicted, some 150 cycles a switch. All callee-saved registers are declared
// clobbered, so the compiler saves just those that are live, in the frame it has anyway. Not for shadow stacks (CET).
// Elsewhere: Boost.Context's fcontext.
//
// Thread safety: none; see context.h. Source: System V ABI, AMD64 supplement, 3.2.1 (which registers belong to the caller).

#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#define CREEL_OWN_SWITCH 1
#else
#define CREEL_OWN_SWITCH 0
#include <boost/context/detail/fcontext.hpp>
#endif

namespace creel::sched {

#if CREEL_OWN_SWITCH

struct MachineContext {
  void* sp = nullptr;   // as the code at `ip` expects it
  void* fp = nullptr;   // rbp; a frame-pointer walk of the suspended context starts here
  void* ip = nullptr;
  std::uint32_t mxcsr = 0;        // only the control bits count: the ABI preserves no status flag over a call
  std::uint16_t x87_control = 0;

  // Code of a fresh context: gets what the first jump to it passed. Must not return.
  using Entry = void (*)(void* data);

  // Makes this a fresh context at the top of a stack, with the control words of the caller. The return address of
  // `entry` and its saved frame pointer are null: both kinds of stack walk end there.
  void prepare(std::uintptr_t high, [[maybe_unused]] std::uintptr_t low, Entry entry) noexcept {
    auto* top = reinterpret_cast<std::uintptr_t*>(high & ~std::uintptr_t{15}) - 1;
    *top = 0;
    sp = top;
    fp = nullptr;
    ip = reinterpret_cast<void*>(entry);
    save_control();
  }

  // Both always inlined: a sanitizer must not see them between its own switch and the jump.
  [[gnu::always_inline]] void save_control() noexcept {
    asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87_control));
  }

  // Loading MXCSR costs 60 ns when any bit changes, status flags included: the running flags are kept.
  [[gnu::always_inline]] void restore_control(const MachineContext& running) const noexcept {
    constexpr std::uint32_t kFlags = 0x3f;
    if (((mxcsr ^ running.mxcsr) & ~kFlags) != 0) [[unlikely]] {
      const std::uint32_t word = (mxcsr & ~kFlags) | (running.mxcsr & kFlags);
      asm volatile("ldmxcsr %0" : : "m"(word));
    }
    if (x87_control != running.x87_control) [[unlikely]] {
      asm volatile("fldcw %0" : : "m"(x87_control));
    }
  }
};

// Saves the running flow in `from` and continues `to`, which receives `data`. Returns what whoever switches back passes.
[[gnu::always_inline]] inline void* jump(MachineContext& from, const MachineContext& to, void* data) noexcept {
  from.save_control();
  to.restore_control(from);
  MachineContext* self = &from;
  const MachineContext* next = &to;
  asm volatile(
      "leaq 1f(%%rip), %%rax\n\t"
      "movq %%rsp, %c[sp](%[self])\n\t"
      "movq %%rbp, %c[fp](%[self])\n\t"
      "movq %%rax, %c[ip](%[self])\n\t"
      "movq %c[sp](%[next]), %%rsp\n\t"
      "movq %c[fp](%[next]), %%rbp\n\t"
      "jmpq *%c[ip](%[next])\n"
      "1:\n\t"
      "endbr64"
      : [data] "+D"(data), [self] "+S"(self), [next] "+d"(next)
      : [sp] "i"(offsetof(MachineContext, sp)), [fp] "i"(offsetof(MachineContext, fp)), [ip] "i"(offsetof(MachineContext, ip))
      : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
#if defined(__AVX512F__)
        "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28",
        "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#endif
        "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "memory", "cc");
  return data;
}

#else

// Boost's contexts are known by an address on their stack, which the side switched to stores for the side left.
struct MachineContext {
  boost::context::detail::fcontext_t sp = nullptr;
  MachineContext* left = nullptr;  // who switched here last
  void* data = nullptr;

  using Entry = void (*)(void* data);
  Entry entry = nullptr;

  void prepare(std::uintptr_t high, std::uintptr_t low, Entry code) noexcept;
};

[[gnu::always_inline]] inline void* jump(MachineContext& from, MachineContext& to, void* data) noexcept {
  to.left = &from;
  to.data = data;
  const boost::context::detail::transfer_t arrival = boost::context::detail::jump_fcontext(to.sp, &to);
  from.left->sp = arrival.fctx;
  return from.data;
}

#endif

}  // namespace creel::sched
