// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fiber stacks: large mmap slabs cut into equal stacks with a guard below each, and the pools that hold free ones.
//
// A stack is bound to a fiber at its first run and goes back when the fiber ends, last in first out. Memory is reserved
// (MAP_NORESERVE, no huge pages) and committed by touch.
//
//   slab:  [guard | usable ............ | Stack | colour][guard | usable ... ] ...
//                  ^ bounds.low          ^ bounds.high
//
// The Stack descriptor sits at the top of the stack's own memory, in the page the first frame touches anyway; the
// colour (0 to 7 times 128 bytes) spreads the hot lines of many stacks over the cache's sets.

#pragma once

#include <cstddef>
#include <cstdint>

#include "creel/tracer/trace_state.h"

namespace creel::sched {

struct Slab;

struct alignas(64) Stack {
  tracer::StackBounds bounds;         // what a fiber may use; first member: a StackBounds* of a fiber is its Stack*
  Stack* next = nullptr;              // free list of whoever holds the stack
  Slab* slab = nullptr;               // where it was cut from
  std::uint32_t size_class = 0;       // index of the pool's size class
  std::uint32_t is_default_size = 0;  // 1: may lie in a StackCache
  std::uint32_t index = 0;            // place within the slab
  std::uint32_t valgrind_id = 0;
  void* tsan_fiber = nullptr;  // TSan's handle, kept with the stack (creating one is dear)
  std::uint64_t owner = 0;     // id of the fiber that runs on it, for the overflow report; 0: free
  // Room for the Context of what runs here; the scheduler constructs it when it binds the stack (context.h includes
  // this file, so the type is not known yet). A fiber without a stack thus carries no context.
  alignas(16) std::byte context_room[112];
};

}  // namespace creel::sched
