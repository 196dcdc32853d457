// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The hash of a call stack, taken while walking it: what StackCache knows a stack by. Inlined into every event with a
// stack, so each instruction of the loop counts.
//
// A frame is [saved frame pointer][return address]; each must lie in the bounds of the fiber's stack, above the one before.
// walk() in stack_walk.cc follows the same frames. It stops at a return address 0; hashing what follows does no harm.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <source_location>

#include "creel/tracer/format/event.h"
#include "creel/tracer/trace_state.h"

// The walk reads words of the stack that sanitizers think nobody may read.
#if defined(__clang__)
#define CREEL_NO_SANITIZE __attribute__((no_sanitize("address", "thread")))
#else
#define CREEL_NO_SANITIZE __attribute__((no_sanitize_address, no_sanitize_thread))
#endif

namespace creel::tracer {

// May be misaligned: where there are no frame pointers, the walk follows whatever else lies there, inside the bounds.
struct __attribute__((packed, may_alias)) StackFrame {
  std::uintptr_t next;
  std::uintptr_t return_address;
};

// Where to start: at `frame`, or, when that is not on the fiber's stack, where the fiber switched away.
// Requires: fiber.stack.
CREEL_NO_SANITIZE inline std::uintptr_t first_frame(const FiberTrace& fiber, std::uintptr_t frame) noexcept {
  return frame >= fiber.stack->low && frame < fiber.stack->high ? frame : fiber.parked_frame;
}

// One step of the hash: a bijection of `hash` and of `word`. The multiplication carries bits up, the rotation takes the
// best mixed ones down to where the next word differs and where the cache looks.
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
  return std::rotl((hash ^ word) * 0xd6e8feb86659fd93u, 32);
}

// Of start_stack().
CREEL_NO_SANITIZE inline std::uint64_t hash_start_stack(const FiberTrace& fiber) noexcept {
  static_assert(sizeof(std::source_location) == sizeof(std::uintptr_t), "a pointer to what start_stack() reads");
  return mix(mix(0, fiber.callable.bits()), std::bit_cast<std::uintptr_t>(fiber.site));
}

// Of current_stack() from `frame` on.
CREEL_NO_SANITIZE inline std::uint64_t hash_current_stack(const FiberTrace& fiber, std::uintptr_t frame) noexcept {
  std::uint64_t hash = hash_start_stack(fiber);
  if (fiber.stack == nullptr) return hash;
  frame = first_frame(fiber, frame);
  const std::uintptr_t limit = fiber.stack->high - sizeof(StackFrame);  // a stack is far larger than a frame
  if (frame < fiber.stack->low || frame > limit) return hash;
  // Two frames a round: no copy of the one before, half the counting.
  static_assert(format::kMaxFrames % 2 == 0);
  for (std::size_t rounds = format::kMaxFrames / 2; rounds != 0; --rounds) {
    const auto* lower = reinterpret_cast<const StackFrame*>(frame);
    hash = mix(hash, lower->return_address);
    const std::uintptr_t above = lower->next;
    if (above <= frame || above > limit) break;
    const auto* upper = reinterpret_cast<const StackFrame*>(above);
    hash = mix(hash, upper->return_address);
    frame = upper->next;
    if (frame <= above || frame > limit) break;
  }
  return hash;
}

}  // namespace creel::tracer
