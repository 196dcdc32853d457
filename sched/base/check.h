// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// CHECK: a broken invariant or a misuse ends the process with a message naming worker, processor and fiber.
//
// Three kinds, as in Go: an exception for what a user can handle; check() for a broken runtime invariant; misuse() for an
// unrecoverable mistake of the caller (unlocking a mutex that is not locked), in the user's words.

#pragma once

#include <string_view>

namespace creel::sched {

// Prints "creel: " + text, where the caller runs (worker, P, fiber), and aborts. Async-signal-safe.
[[noreturn]] void fail(std::string_view text) noexcept;

// Prints "creel: fatal error: " + text and the current fiber with its stack, completes a running trace, and aborts. For
// mistakes of the user. Caller: not inside a trace Section.
[[noreturn]] void misuse(std::string_view text) noexcept;

// misuse() of an API called on a thread that runs no fiber, or inside creel::blocking(). `what` names the API.
[[noreturn]] void misuse_outside_fiber(const char* what, bool in_blocking) noexcept;

// The caller is about to end the process with a report, which may take a while: run() holds back for it, so that main() does
// not end the process before, with its own status. Async-signal-safe.
void begin_fatal_end() noexcept;
// Waits for the end of the process, 10 s at most, if begin_fatal_end() was called. Caller: who would return to main().
void wait_for_fatal_end() noexcept;

// Broken runtime invariant. `text` is constant.
inline void check(bool condition, std::string_view text) noexcept {
  if (!condition) [[unlikely]] fail(text);
}

#if defined(NDEBUG)
inline void dcheck(bool, std::string_view) noexcept {}
#else
inline void dcheck(bool condition, std::string_view text) noexcept { check(condition, text); }
#endif

}  // namespace creel::sched
