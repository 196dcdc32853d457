// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Bringing parked fibers towards the caches before they run.
//
// With a million fibers each resume would wait, one after the other, for its Fiber, for its stack's descriptor with the
// context, for its innermost frames, and for the page table entry of the latter. Asked for together, for a batch of
// fibers that run next, these waits overlap.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "creel/sched/base/cache_line.h"
#include "creel/sched/fiber.h"

namespace creel::sched {

// More runnable fibers than this do not stay in the caches by themselves.
inline constexpr std::int64_t kManyFibers = 4096;

// The same for the turns of a long local queue: what a switch to `next`, which comes after the fiber about to run, will read
// (the second line of Stack holds the context), and the fiber itself of one that comes later. Caller: who owns both.
inline void prefetch_next(const Fiber* next, const Fiber* later) noexcept {
  __builtin_prefetch(later, 1);
  // Numbers, not pointers: a fiber that never ran has no stack.
  const auto descriptor = reinterpret_cast<std::uintptr_t>(next->stack);
  __builtin_prefetch(reinterpret_cast<void*>(descriptor + offsetof(Stack, context_room)), 1);
  __builtin_prefetch(reinterpret_cast<void*>(next->parked_frame), 1);
  __builtin_prefetch(reinterpret_cast<void*>(next->parked_frame - kCacheLine), 1);
}

// Caller: who owns `fibers` (just taken off a queue).
inline void prefetch_parked(Fiber* const* fibers, std::uint32_t count) noexcept {
  constexpr std::uintptr_t kFrameBytes = 8 * kCacheLine;  // a park's own frames and some of its caller's
  constexpr std::uintptr_t kSavedBytes = 2 * kCacheLine;  // below the frame that switched away: the registers
  for (std::uint32_t i = 0; i < count; ++i) __builtin_prefetch(fibers[i], 1);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Fiber& fiber = *fibers[i];
    if (fiber.stack == nullptr) continue;
    const auto descriptor = reinterpret_cast<std::uintptr_t>(fiber.stack);
    const std::uintptr_t from = (fiber.parked_frame - kSavedBytes) & ~(kCacheLine - 1);
    const std::uintptr_t to = std::min(from + kFrameBytes, descriptor);
    for (std::uintptr_t line = from; line < to; line += kCacheLine) __builtin_prefetch(reinterpret_cast<void*>(line), 1);
    for (std::size_t offset = 0; offset < sizeof(Stack); offset += kCacheLine) {
      __builtin_prefetch(reinterpret_cast<void*>(descriptor + offset), 1);
    }
  }
}

}  // namespace creel::sched
