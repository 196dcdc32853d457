// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/stack_walk.h"

#include "creel/tracer/stack_hash.h"

namespace creel::tracer {
namespace {

CREEL_NO_SANITIZE void walk(const StackBounds bounds, std::uintptr_t frame, StackKey& key) noexcept {
  if (bounds.high < sizeof(StackFrame) || frame < bounds.low) return;
  const std::uintptr_t limit = bounds.high - sizeof(StackFrame);
  while (frame <= limit && key.size < std::size(key.words)) {
    const StackFrame at = *reinterpret_cast<const StackFrame*>(frame);
    if (at.return_address == 0) return;
    key.words[key.size++] = at.return_address;
    if (at.next <= frame) return;
    frame = at.next;
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

CREEL_NO_SANITIZE void current_stack(const FiberTrace& fiber, std::uintptr_t frame, StackKey& key) noexcept {
  start_stack(fiber, key);
  if (fiber.stack != nullptr) walk(*fiber.stack, first_frame(fiber, frame), key);
}

CREEL_NO_SANITIZE void current_stack(const FiberTrace& fiber, StackKey& key) noexcept {
  current_stack(fiber, reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)), key);
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
