// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Call stacks by frame pointers, bounded by the fiber's stack: never a fault, at worst a short stack.
//
// The key of a stack is what the table interns: the fiber's start (callable, creation site), then return addresses,
// leaf first. Names are found when the generation is written (frames.h). Code without frame pointers (libstdc++, libc)
// ends the walk or leaves an address that resolves to nothing.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "creel/tracer/format/event.h"
#include "creel/tracer/trace_state.h"

namespace creel::tracer {

inline constexpr std::size_t kKeyPrefix = 4;  // callable, file, function, line

struct StackKey {
  std::uint64_t words[kKeyPrefix + format::kMaxFrames];
  std::size_t size = 0;
  [[nodiscard]] std::span<const std::uint64_t> span() const noexcept { return {words, size}; }
};

// Only the start frame of `fiber`.
void start_stack(const FiberTrace& fiber, StackKey& key) noexcept;
// The stack of the fiber the calling worker runs. Caller: on the fiber's own stack, or on the worker's after a switch
// away.
void current_stack(const FiberTrace& fiber, StackKey& key) noexcept;
// The same from `frame` on: a function's __builtin_frame_address(0), of which the caller's frames are seen.
void current_stack(const FiberTrace& fiber, std::uintptr_t frame, StackKey& key) noexcept;
// The stack of a fiber that is not running and that the caller keeps from starting. Only the start frame when its
// context is not saved yet or it never ran.
void parked_stack(const FiberTrace& fiber, StackKey& key) noexcept;

}  // namespace creel::tracer
