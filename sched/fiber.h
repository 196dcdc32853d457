// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fiber (G): a function with a stack of its own, scheduled on processors.
//
// States (FiberStatus), who owns the fiber, where it is, what may follow (event emitted):
//
//   state     owner                     is on                       next (event)
//   Dead      the fiber pool            a free list                 Runnable (GoCreate)
//   Runnable  the queue that holds it   run queue, runnext, global  Running (GoStart)
//   Running   its worker                a worker                    Runnable (GoStop), Waiting (GoBlock),
//                                                                   Syscall (GoSyscallBegin), Dead (GoDestroy)
//   Waiting   whoever may ready() it    a wait list or timer        Runnable (GoUnblock)
//   Syscall   its worker                that worker, P or not       Running (GoSyscallEnd), Runnable (...EndBlocked)
//
// A fiber that never ran owns no stack. Fiber objects live in the pool's slabs for the life of the runtime (FiberPool),
// so a walk over all fibers never meets unmapped memory. Size: three cache lines, closure included, since a million
// queued fibers cost just this.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "creel/sched/context.h"
#include "creel/sched/stack.h"
#include "creel/tracer/trace_state.h"

namespace creel::sched {

struct Worker;
class FiberLocals;

// What only few fibers have; allocated at first use, freed when the fiber ends.
struct FiberExtra {
  std::string name;
  Worker* pinned_to = nullptr;
  std::uint32_t pin_depth = 0;
  std::unique_ptr<FiberLocals> locals;

  FiberExtra();
  ~FiberExtra();
};

// As FiberTrace::reason of a fiber that is not waiting: its scheduling latency is being measured (counters.h). Here, since a
// switch has the line of `reason` at hand.
inline constexpr tracer::BlockReason kSampled = tracer::BlockReason::kCount;

struct Fiber : tracer::FiberTrace {
  static constexpr std::size_t kInlineClosure = 56;

  Fiber* next = nullptr;           // link of whichever list holds the fiber (free list, batches)
  void (*entry)(void* closure) = nullptr;  // runs and destroys the closure
  const void* wait_object = nullptr;  // what it waits for, for dumps; valid while Waiting
  std::int64_t since_ns = 0;       // coarse time of the last block, for dumps; while `reason` is kSampled: when it became runnable
  std::uint64_t creator = 0;       // id of the creating fiber; 0: none
  FiberExtra* extra = nullptr;
  std::uint32_t last_worker = 0;   // id of the worker it last ran on (forced migration)
  std::uint16_t stack_pages = 0;   // wanted stack size in 4 KiB pages; 0: the default
  bool pinned = false;             // runs on extra->pinned_to only (PinScope)
  alignas(8) std::byte closure[kInlineClosure];

  // The extra part, made if missing. Caller: the fiber itself, or its creator before it is queued.
  FiberExtra& more();

  // The saved context, kept with the stack. Requires: bound to a stack.
  [[nodiscard]] Context& context() noexcept {
    static_assert(sizeof(Context) <= sizeof(Stack::context_room));
    return *std::launder(reinterpret_cast<Context*>(owned_stack()->context_room));
  }
  [[nodiscard]] Stack* owned_stack() noexcept {
    return const_cast<Stack*>(reinterpret_cast<const Stack*>(stack));  // bounds are Stack's first member
  }
};

#if !defined(CREEL_ASAN) && !defined(CREEL_TSAN)
static_assert(sizeof(Fiber) <= 192, "a queued fiber costs three cache lines");
#endif

}  // namespace creel::sched
