// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Birth and death of fibers.

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "creel/sched/base/check.h"
#include "creel/sched/fiber_local.h"
#include "creel/sched/hand_over.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/spawn.h"
#include "creel/tracer/hook.h"

namespace creel::sched {

using tracer::FiberStatus;
using tracer::Section;

namespace {

// Ids are handed to processors in blocks, so that a shared counter is touched rarely. Never reused within the process.
constexpr std::uint64_t kIdBlock = 16;
std::atomic<std::uint64_t> next_id{1};

std::uint64_t new_id(Processor& proc) noexcept {
  if (proc.next_id == proc.id_limit) {
    proc.next_id = next_id.fetch_add(kIdBlock, std::memory_order_relaxed);  // uniqueness only
    proc.id_limit = proc.next_id + kIdBlock;
  }
  return proc.next_id++;
}

}  // namespace

std::uint64_t new_fiber_id() noexcept { return next_id.fetch_add(1, std::memory_order_relaxed); }

FiberExtra::FiberExtra() = default;
FiberExtra::~FiberExtra() = default;

FiberExtra& Fiber::more() {
  if (extra == nullptr) extra = new FiberExtra;
  return *extra;
}

Fiber* new_fiber(const char* what) {
  Worker* worker = this_worker();
  // A worker without a fiber is in its scheduling loop: a timer's function, which holds a P.
  if (worker == nullptr || worker->syscall_depth != 0 || worker->proc == nullptr) [[unlikely]] {
    if (worker == nullptr) return nullptr;
    misuse_outside_fiber(what, worker->syscall_depth != 0);
  }
  Fiber* fiber = worker->processor()->fibers.get(worker->scheduler.fiber_pool);
  fiber->stack_pages = 0;
  return fiber;
}

void configure_fiber(Fiber* fiber, const FiberOptions& options) {
  if (options.stack_size != 0) {
    if (options.stack_size < StackPool::kMinSize || options.stack_size > StackPool::kMaxSize) {
      throw std::invalid_argument("FiberOptions::stack_size is " + std::to_string(options.stack_size) +
                                  " bytes; accepted are 0 (default) and 16384 to 67108864");
    }
    fiber->stack_pages = static_cast<std::uint16_t>((options.stack_size + 4095) / 4096);
  }
  if (!options.name.empty()) {
    fiber->more().name = options.name;
    std::lock_guard guard(this_worker()->scheduler.fiber_pool.names_lock);  // a dump may look at this very slot
    fiber->name = fiber->extra->name.c_str();
  }
}

// Takes the extra part and the name off a fiber; a dump may be reading the name.
static void free_extra(FiberPool& pool, Fiber* fiber) noexcept {
  const std::unique_ptr<FiberExtra> extra(fiber->extra);
  std::lock_guard guard(pool.names_lock);
  fiber->name = nullptr;
  fiber->extra = nullptr;
}

void discard_fiber(Fiber* fiber) noexcept {
  Worker* worker = this_worker();
  if (fiber->extra != nullptr) free_extra(worker->scheduler.fiber_pool, fiber);
  worker->processor()->fibers.put(fiber, worker->scheduler.fiber_pool);
}

void submit_fiber(Fiber* fiber, tracer::StartCallable callable, std::source_location site) {
  Worker& worker = *this_worker();
  fiber->id = new_id(*worker.processor());
  fiber->callable = callable;
  fiber->site = site;
  fiber->creator = worker.fiber != nullptr ? worker.fiber->id : 0;
  dcheck(fiber->stack == nullptr, "a fiber that has ended has kept its stack");
  fiber->parked_frame = 0;
  fiber->last_worker = 0;
  bump(worker.processor()->counters.created);
  if (--worker.sample_in == 0) [[unlikely]] stamp_runnable(worker, *fiber);
  const auto transition = [](Section& section, Fiber* made) __attribute__((always_inline)) {
    if (section) section.fiber_create(*made);
    made->status.store(FiberStatus::kRunnable, std::memory_order_release);  // pairs with a sweep's acquire: id, name, site
  };
  tracer::in_section(worker, transition, fiber);
  enqueue(worker, fiber, true);
  Scheduler& s = worker.scheduler;
  if (s.idle_proc_count.load(std::memory_order_seq_cst) != 0) wake_one(s);
  safe_point();
}

void recycle(Worker& worker, Fiber* fiber, Stack* stack) {
  if (fiber->extra != nullptr) free_extra(worker.scheduler.fiber_pool, fiber);
  fiber->stack = nullptr;
  fiber->on_cpu.store(false, std::memory_order_relaxed);
  Processor& proc = *worker.processor();
  if (stack != nullptr) {
    stack->owner = 0;
    proc.stacks.put(stack, worker.scheduler.stack_pool);
  }
  proc.fibers.put(fiber, worker.scheduler.fiber_pool);
}

// Runs a fiber, then, without a switch, every next one that has no stack yet: a burst of short fibers costs no switches.
// Hot: the compiler takes it for a thing done once.
[[gnu::hot]] void fiber_main(void* data) {
  annotate_happens_after(data);
  finish_switch(*static_cast<Worker*>(data));
  // The next fiber may need its stack while this one parks with a lock held.
  this_worker()->processor()->stacks.restock(this_worker()->scheduler.stack_pool);
  for (;;) {
    Fiber* self = this_worker()->running();
    self->entry(self->closure);
    // The fiber's locals are destroyed on the fiber: their destructors are user code and may park.
    if (self->extra != nullptr) [[unlikely]] {
      if (self->extra->locals != nullptr) self->extra->locals->clear();
      if (self->pinned) misuse("a fiber ended inside a PinScope");
    }

    Worker& worker = *this_worker();
    Stack* stack = self->owned_stack();
    Fiber* next = pick_local(worker);
    const bool here = next != nullptr && next->stack == nullptr && next->stack_pages == 0 && stack->is_default_size != 0;
    if (here) {
      stack->owner = next->id;
      next->stack = &stack->bounds;
    }
    Context* target = &worker.context;
    if (next != nullptr) {
      prepare_to_run(worker, next);
      target = &next->context();
    }
    // The running fiber's function has returned; nothing of it is on the stack any more.
    // Release pairs with the acquire in collect_stats(): who sees the end sees the creation.
    std::atomic_thread_fence(std::memory_order_release);
    bump(worker.processor()->counters.ended);
    const auto transition = [](Section& section, Worker* on, Fiber* ended, Fiber* then) __attribute__((always_inline)) {
      if (section) section.fiber_destroy();
      ended->status.store(FiberStatus::kDead, std::memory_order_relaxed);
      on->fiber = nullptr;
      if (then != nullptr) set_running(*on, then, section);
    };
    tracer::in_section(worker, transition, &worker, self, next);
    if (here) {
      recycle(worker, self, nullptr);
      continue;
    }
    Context& own = self->context();
    worker.previous = self;
    worker.after = After::kExit;
    annotate_happens_before(&worker);
    exit_context(own, *target, &worker);
  }
}

}  // namespace creel::sched
