// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Reports a fiber that overflows its stack: who it is, how large its stack was, where it was created, its frames.
//
// A SIGSEGV and SIGBUS handler on an alternate stack. A fault is an overflow if its address lies in the guard of a
// fiber's stack while the faulting code runs on that very stack; the report goes to stderr by write(2). Then, as for
// all other faults, the previous action takes over: the instruction faults again, with the true address and registers
// for a core dump or a debugger; by default the process dies of SIGSEGV.
//
// A frame larger than the guard (68 KiB) whose first access lies beyond it is not recognised, as with any guard;
// compile with -fstack-clash-protection where frames are that large.

#pragma once

#include <signal.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace creel::sched {

// What the report says of a fiber. Strings live until the process ends, or are null.
struct OverflowInfo {
  const char* name = nullptr;
  const char* file = nullptr;  // creation site
  std::uint32_t line = 0;
  std::uint64_t creator = 0;  // id of the fiber that created it; 0: none
};

// Finds what is known of fiber `id` (Stack::owner); false if nothing. Must be async-signal-safe: no lock, no
// allocation.
using OverflowLookup = bool (*)(std::uint64_t id, OverflowInfo& info) noexcept;

// The frames of the report, innermost first: program counters, looked up as return addresses are (one before).
struct OverflowFrames {
  static constexpr std::size_t kFirst = 16;
  static constexpr std::size_t kLast = 8;
  std::array<std::uintptr_t, kFirst> first{};
  std::size_t first_count = 0;
  std::uint64_t left_out = 0;  // between the two
  std::array<std::uintptr_t, kLast> last{};
  std::size_t last_count = 0;
};

// Writes the frames with their names; false: it cannot, and they are written as addresses. As OverflowLookup.
using OverflowPrinter = bool (*)(const OverflowFrames& frames) noexcept;

// Installs the handlers; `printer` may be null. Caller: one thread at a time; pairs with uninstall_overflow_handler().
void install_overflow_handler(OverflowLookup lookup, OverflowPrinter printer = nullptr) noexcept;
// Puts the previous handlers back, unless somebody installed others meanwhile.
void uninstall_overflow_handler() noexcept;

// The alternate signal stack of the constructing thread, needed by each thread that runs fibers. Without memory for it
// the thread has none, and an overflow ends the process without a report.
class ThreadAltStack {
 public:
  ThreadAltStack() noexcept;
  // Caller: the constructing thread, not in a signal handler.
  ~ThreadAltStack();
  ThreadAltStack(const ThreadAltStack&) = delete;
  ThreadAltStack& operator=(const ThreadAltStack&) = delete;

 private:
  void* memory_ = nullptr;
  stack_t previous_{};
};

}  // namespace creel::sched
