// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The call stack in a copy of a part of a stack, by the unwind tables (.eh_frame) of the program and its libraries.
//
// For stacks that were interrupted anywhere: in code without frame pointers (libc, the C++ library, a sanitizer), whose return
// addresses a walk over frame pointers misses, and where a search for something that looks like a frame finds what calls
// before have left behind. The tables tell exactly where each function keeps its caller's registers.
// One thing they cannot tell: the kernel says of a blocked thread no frame pointer. If libc's code did not save it, and the
// function that called libc needs it, its frame is looked for on the stack: the first from which frames lead to the fiber's
// end, and whose return address follows a call of just that function; else, of one known at run time only.
//
// Thread safety: unwind() one at a time (the caller's lock). Blocking: reads unwind tables, some ms per library at its first
// use. Source: DWARF 5, section 6.4; System V ABI, AMD64 supplement, 3.7.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "creel/tracer/trace_state.h"

namespace creel::sched {

// Registers of an interrupted thread and the innermost part of the stack it was on.
struct StackCopy {
  static constexpr std::size_t kWords = 8192;

  tracer::StackBounds bounds;  // of the stack; set before the copy is taken
  std::uintptr_t pc = 0;
  std::uintptr_t sp = 0;
  std::uintptr_t fp = 0;       // valid if knows_all
  std::uintptr_t link = 0;     // the return address of a leaf function where a register has it; valid if knows_all
  bool knows_all = false;
  std::size_t count = 0;       // words copied
  std::array<std::uintptr_t, kWords> words;  // from sp on

  // Copies words from `sp` on; false, and nothing is read: it is not on the stack, but a handler's or the scheduler's.
  // Async-signal-safe.
  bool take() noexcept;
};

// Writes the pc + 1 (so that it is looked up as a return address is: one before) and the return addresses to `out`, innermost
// first. Left out: addresses in code without a name. Returns how many there are.
std::size_t unwind(const StackCopy& copy, std::span<std::uint64_t> out);

}  // namespace creel::sched
