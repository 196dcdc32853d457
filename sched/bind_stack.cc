// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/bind_stack.h"

#include <new>
#include <system_error>

#include "creel/sched/base/check.h"

namespace creel::sched {

void bind_stack(Worker& worker, Fiber* fiber) {
  Scheduler& s = worker.scheduler;
  std::error_code error;
  Stack* stack = fiber->stack_pages == 0
                     ? worker.processor()->stacks.get(s.stack_pool, error)
                     : s.stack_pool.allocate(std::size_t{fiber->stack_pages} * 4096, error);
  if (stack == nullptr) fail("no stack for a fiber: " + describe_stack_error(error, s.stack_pool));
  stack->owner = fiber->id;
  auto* context = new (stack->context_room) Context;
  context->prepare(*stack, fiber_main);
  fiber->stack = &stack->bounds;
}

}  // namespace creel::sched
