// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/stack_walk.h"

#if defined(__clang__)
#define CREEL_NO_SANITIZE __attribute__((no_sanitize("address", "thread")))
#else
#define CREEL_NO_SANITIZE __attribute__((no_sanitize_address, no_sanitize_thread))
#endif

namespace creel::tracer {
namespace {

// A frame is [saved frame pointer][return address]. Each must lie inside the bounds, aligned, above the one before.
CREEL_NO_SANITIZE void walk(const StackBounds bounds, std::uintptr_t frame, StackKey& key) noexcept {
  constexpr std::uintptr_t kFrameBytes = 2 * sizeof(std::uintptr_t);
  if (bounds.high < kFrameBytes) return;
  std::uintptr_t low = bounds.low;
  while (key.size < std::size(key.words)) {
    if (frame < low || frame > bounds.high - kFrameBytes || frame % sizeof(std::uintptr_t) != 0) return;
    const auto* words = reinterpret_cast<const std::uintptr_t*>(frame);
    const std::uintptr_t return_address = words[1];
    if (return_address == 0) return;
    key.words[key.size++] = return_address;
    low = frame + kFrameBytes;
    frame = words[0];
  }
}

}  // namespace

CREEL_NO_SANITIZE void start_stack(const FiberTrace& fiber, StackKey& key) noexcept {
  // Copied here, uninstrumented: a dump looks at fibers it has no right to.
  const StartCallable callable = fiber.callable;
  const std::source_location site = fiber.site;
  key.words[0] = callable.bits();
  key.words[1] = reinterpret_cast<std::uintptr_t>(site.file_name());
  key.words[2] = reinterpret_cast<std::uintptr_t>(site.function_name());
  key.words[3] = site.line();
  key.size = kKeyPrefix;
}

CREEL_NO_SANITIZE void current_stack(const FiberTrace& fiber, StackKey& key) noexcept {
  start_stack(fiber, key);
  if (fiber.stack == nullptr) return;
  const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const bool on_own_stack = frame >= fiber.stack->low && frame < fiber.stack->high;
  walk(*fiber.stack, on_own_stack ? frame : fiber.parked_frame, key);
}

CREEL_NO_SANITIZE void parked_stack(const FiberTrace& fiber, StackKey& key) noexcept {
  start_stack(fiber, key);
  // Acquire pairs with the scheduler's release store after the switch: the context and parked_frame are saved.
  // parked_frame goes first: while it is 0 the fiber never ran, and the scheduler may be giving it a stack.
  // A dump looks without any right to the fiber: each word is read once, and what it leads to may be stale, but is mapped.
  const std::uintptr_t frame = *const_cast<const volatile std::uintptr_t*>(&fiber.parked_frame);
  const StackBounds* stack = *const_cast<const StackBounds* const volatile*>(&fiber.stack);
  if (fiber.on_cpu.load(std::memory_order_acquire) || frame == 0 || stack == nullptr) return;
  walk(*stack, frame, key);
}

}  // namespace creel::tracer
