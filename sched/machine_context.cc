// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/machine_context.h"

#if !CREEL_OWN_SWITCH

#include <cstdlib>

// First code of a fresh context, entered by Boost's trampoline with the arguments of creel_context_main in registers:
// clears the frame pointer and the return address, so that frame-pointer and DWARF walks both end at the frame of
// creel_context_main.
extern "C" void creel_context_start(boost::context::detail::transfer_t arrival);
#if defined(__aarch64__)
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

// Not noexcept: the search for a handler then ends at the null return address, and std::terminate() is called where the
// exception was thrown, its stack still there to be reported.
extern "C" __attribute__((used, visibility("hidden"))) void creel_context_main(
    boost::context::detail::transfer_t arrival) {
  auto& self = *static_cast<creel::sched::MachineContext*>(arrival.data);
  self.left->sp = arrival.fctx;
  self.entry(self.data);
  std::abort();  // an Entry never returns; also keeps the call above from becoming a tail call
}

namespace creel::sched {

void MachineContext::prepare(std::uintptr_t high, std::uintptr_t low, Entry code) noexcept {
  sp = boost::context::detail::make_fcontext(reinterpret_cast<void*>(high), high - low, creel_context_start);
  entry = code;
}

}  // namespace creel::sched

#endif
