// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/hook.h"

#if !defined(CREEL_TRACER_OFF)

#include "creel/tracer/emit.h"
#include "creel/tracer/stack_hash.h"

namespace creel::tracer {
namespace {

Generation& generation_of(const WorkerTrace& worker) noexcept { return *worker.buffer->generation; }

// Inlined into each event, unlike what it leads to in the first mention of a resource in a generation.
#define CREEL_INLINE [[gnu::always_inline]] inline

// Whether the worker holds its P for itself (not one that may be taken from its syscall at any moment).
bool holds_running_proc(const WorkerTrace& worker) noexcept {
  // Acquire pairs with the scheduler's stores when it hands a P over.
  return worker.proc != nullptr && worker.proc->holder.load(std::memory_order_acquire) == worker.id &&
         worker.proc->status.load(std::memory_order_acquire) == ProcStatus::kRunning;
}

bool runs_fiber(const WorkerTrace& worker) noexcept {
  return worker.fiber != nullptr && worker.fiber->status.load(std::memory_order_relaxed) == FiberStatus::kRunning;
}

[[gnu::noinline]] void put_pending_label(WorkerTrace& worker, FiberTrace& fiber) noexcept {
  fiber.label_pending = false;
  put(worker, Event::kGoLabel, generation_of(worker).strings.intern(cut_string(fiber.name)));
}

CREEL_INLINE void put_label(WorkerTrace& worker, FiberTrace& fiber) noexcept {
  if (fiber.label_pending) [[unlikely]]
    put_pending_label(worker, fiber);
}

CREEL_INLINE void describe_proc(WorkerTrace& worker, ProcTrace& proc, ProcStatus status) noexcept {
  if (!is_described(worker, proc)) [[unlikely]]
    describe(worker, proc, status);
}

CREEL_INLINE void describe_fiber(WorkerTrace& worker, FiberTrace& fiber, FiberStatus status, std::uint64_t m) noexcept {
  if (!is_described(worker, fiber)) [[unlikely]]
    describe(worker, fiber, status, m);
}

// The P, then the fiber, as they were before the event that follows.
CREEL_INLINE void describe_current(WorkerTrace& worker, ProcStatus proc, FiberStatus fiber) noexcept {
  if (worker.proc != nullptr) describe_proc(worker, *worker.proc, proc);
  if (worker.fiber != nullptr) {
    describe_fiber(worker, *worker.fiber, fiber, worker.id);
    if (fiber == FiberStatus::kRunning && worker.proc != nullptr) put_label(worker, *worker.fiber);
  }
}

CREEL_INLINE void describe_running(WorkerTrace& worker) noexcept {
  describe_current(worker, ProcStatus::kRunning, FiberStatus::kRunning);
}

// ProcsChange, once per generation. Requires: P and fiber run and are described.
[[gnu::noinline]] void put_procs_change_once(WorkerTrace& worker) noexcept {
  worker.procs_change_due = false;
  Generation& generation = generation_of(worker);
  if (generation.procs_changed.load(std::memory_order_relaxed) ||
      generation.procs_changed.exchange(true, std::memory_order_relaxed)) {
    return;
  }
  put(worker, Event::kProcsChange, generation.proc_count, 0u);
}

// Not inlined: the key is a kilobyte of the fiber's stack. A null `frame`: the start frame alone.
[[gnu::noinline]] std::uint64_t new_stack_id(WorkerTrace& worker, const FiberTrace& fiber, const void* frame,
                                             std::uint64_t hash) noexcept {
  StackKey key;
  if (frame != nullptr) {
    current_stack(fiber, reinterpret_cast<std::uintptr_t>(frame), key);
  } else {
    start_stack(fiber, key);
  }
  const std::uint64_t id = intern_stack(generation_of(worker), key);
  worker.stacks.put(hash, id);
  return id;
}

// The stack as the caller of the function with the frame address `frame` sees it.
CREEL_INLINE std::uint64_t stack_id(WorkerTrace& worker, const void* frame) noexcept {
  if (worker.fiber == nullptr) return 0;
  const std::uint64_t hash = hash_current_stack(*worker.fiber, reinterpret_cast<std::uintptr_t>(frame));
  if (const std::uint64_t id = worker.stacks.find(hash)) [[likely]]
    return id;
  return new_stack_id(worker, *worker.fiber, frame, hash);
}

CREEL_INLINE std::uint64_t start_stack_id(WorkerTrace& worker, const FiberTrace& fiber) noexcept {
  const std::uint64_t hash = hash_start_stack(fiber);
  if (const std::uint64_t id = worker.stacks.find(hash)) [[likely]]
    return id;
  return new_stack_id(worker, fiber, nullptr, hash);
}

std::uint64_t string_in(WorkerTrace& worker, std::string_view text) noexcept {
  return generation_of(worker).strings.intern(cut_string(text));
}

// First Section of `worker` in generation `number`: closes the one before for itself, takes a buffer of the new one.
bool enter_generation(WorkerTrace& worker, std::uint64_t number) noexcept {
  {
    std::lock_guard lock(worker.mu);
    if (worker.abandoned.load(std::memory_order_relaxed)) return false;
    if (worker.closed + 1 < number) {
      // Alive: the recorder seals a generation only after it has closed it for every worker, under worker.mu. Null: the
      // worker is of a time when tracing was off, and the slot may already hold the generation to come.
      if (Generation* previous = generation_slot(number - 1)) close_generation(worker, *previous);
      worker.closed = number - 1;
    }
    Generation& generation = *generation_slot(number);
    if (!take_buffer(worker, generation, generation.clock.now())) return false;
    worker.generation = number;
    worker.procs_change_due = true;
    worker.stacks.clear();
  }
  if (holds_running_proc(worker) && runs_fiber(worker) &&
      !generation_of(worker).procs_changed.load(std::memory_order_relaxed)) {
    describe_running(worker);
    put_procs_change_once(worker);
  }
  return true;
}

}  // namespace

namespace events {

std::uint64_t enter(WorkerTrace& worker, std::uint64_t generation) noexcept {
  if ((generation & kFenceBit) != 0) [[unlikely]] {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the recorder's fence in publish()
    generation = g_generation.load(std::memory_order_acquire) & ~kFenceBit;
    if (generation == worker.generation) return generation;
  }
  if (generation == 0) return 0;
  return enter_generation(worker, generation) ? generation : 0;
}

void procs_change(WorkerTrace& worker, std::uint32_t count) noexcept {
  if (worker.proc == nullptr || worker.fiber == nullptr) return;
  describe_running(worker);
  generation_of(worker).procs_changed.store(true, std::memory_order_relaxed);
  put(worker, Event::kProcsChange, count, stack_id(worker, __builtin_frame_address(0)));
}

void proc_start(WorkerTrace& worker, ProcTrace& proc) noexcept {
  describe_proc(worker, proc, ProcStatus::kIdle);
  put(worker, Event::kProcStart, proc.id, ++proc.seq);
}

void proc_stop(WorkerTrace& worker) noexcept {
  const bool syscall = worker.proc->status.load(std::memory_order_relaxed) == ProcStatus::kSyscall;
  describe_proc(worker, *worker.proc, syscall ? ProcStatus::kSyscall : ProcStatus::kRunning);
  put(worker, Event::kProcStop);
}

std::uint64_t proc_steal(WorkerTrace& worker, std::uint64_t generation, ProcTrace& proc,
                         std::uint64_t victim) noexcept {
  // The victim entered its syscall in a newer generation than we entered our Section (against rule C): follow it. That
  // generation is the current one and stays so, as the recorder waits for us to leave.
  const std::uint64_t claimed = proc.claim.load(std::memory_order_acquire) >> 1;  // pairs with described()
  if (claimed > generation) [[unlikely]] {
    if (!enter_generation(worker, claimed)) return generation;
    generation = claimed;
  }
  describe_proc(worker, proc, ProcStatus::kAbandoned);
  put(worker, Event::kProcSteal, proc.id, ++proc.seq, victim);
  return generation;
}

void fiber_create(WorkerTrace& worker, FiberTrace& fiber) noexcept {
  describe_running(worker);
  // Creating it is its description in this generation. No sweep can be at it: a fiber not yet created is dead.
  fiber.claim.store(worker.generation << 1, std::memory_order_release);  // pairs with the acquire loads in claim()
  fiber.seq = 0;
  fiber.label_pending = fiber.name != nullptr;
  put(worker, Event::kGoCreate, fiber.id, start_stack_id(worker, fiber), stack_id(worker, __builtin_frame_address(0)));
}

void fiber_create_syscall(WorkerTrace& worker, FiberTrace& fiber) noexcept {
  // As in fiber_create().
  fiber.claim.store(worker.generation << 1, std::memory_order_release);  // pairs with the acquire loads in claim()
  fiber.seq = 0;
  fiber.label_pending = fiber.name != nullptr;
  put(worker, Event::kGoCreateSyscall, fiber.id);
}

void fiber_destroy_syscall(WorkerTrace& worker, FiberTrace& fiber) noexcept {
  describe_fiber(worker, fiber, FiberStatus::kSyscall, worker.id);
  put(worker, Event::kGoDestroySyscall);
}

void fiber_start(WorkerTrace& worker, FiberTrace& fiber) noexcept {
  if (worker.proc != nullptr) describe_proc(worker, *worker.proc, ProcStatus::kRunning);
  describe_fiber(worker, fiber, FiberStatus::kRunnable, kNone);
  put(worker, Event::kGoStart, fiber.id, ++fiber.seq);
  put_label(worker, fiber);
  if (worker.procs_change_due) [[unlikely]]
    put_procs_change_once(worker);
}

void fiber_stop(WorkerTrace& worker, StopReason reason) noexcept {
  describe_running(worker);
  put(worker, Event::kGoStop, string_id(reason), stack_id(worker, __builtin_frame_address(0)));
}

void fiber_block(WorkerTrace& worker, BlockReason reason) noexcept {
  describe_running(worker);
  put(worker, Event::kGoBlock, string_id(reason), stack_id(worker, __builtin_frame_address(0)));
}

void fiber_unblock(WorkerTrace& worker, FiberTrace& fiber) noexcept {
  if (holds_running_proc(worker)) {
    describe_proc(worker, *worker.proc, ProcStatus::kRunning);
    if (runs_fiber(worker)) describe_fiber(worker, *worker.fiber, FiberStatus::kRunning, worker.id);
  }
  describe_fiber(worker, fiber, FiberStatus::kWaiting, kNone);
  put(worker, Event::kGoUnblock, fiber.id, ++fiber.seq, stack_id(worker, __builtin_frame_address(0)));
}

void fiber_destroy(WorkerTrace& worker) noexcept {
  describe_running(worker);
  put(worker, Event::kGoDestroy);
}

void syscall_begin(WorkerTrace& worker) noexcept {
  describe_running(worker);
  put(worker, Event::kGoSyscallBegin, ++worker.proc->seq, stack_id(worker, __builtin_frame_address(0)));
}

void syscall_end(WorkerTrace& worker) noexcept {
  describe_current(worker, ProcStatus::kSyscall, FiberStatus::kSyscall);
  put(worker, Event::kGoSyscallEnd);
}

void syscall_end_blocked(WorkerTrace& worker) noexcept {
  if (holds_running_proc(worker)) describe_proc(worker, *worker.proc, ProcStatus::kRunning);
  describe_fiber(worker, *worker.fiber, FiberStatus::kSyscall, worker.id);
  put(worker, Event::kGoSyscallEndBlocked);
}

void label(WorkerTrace& worker, std::string_view name) noexcept {
  describe_running(worker);
  put(worker, Event::kGoLabel, string_in(worker, name));
}

void task_begin(WorkerTrace& worker, std::uint64_t task, std::uint64_t parent, std::string_view type) noexcept {
  describe_running(worker);
  put(worker, Event::kUserTaskBegin, task, parent, string_in(worker, type),
      stack_id(worker, __builtin_frame_address(0)));
}

void task_end(WorkerTrace& worker, std::uint64_t task) noexcept {
  describe_running(worker);
  put(worker, Event::kUserTaskEnd, task, stack_id(worker, __builtin_frame_address(0)));
}

void region_begin(WorkerTrace& worker, std::uint64_t task, std::string_view type) noexcept {
  describe_running(worker);
  put(worker, Event::kUserRegionBegin, task, string_in(worker, type), stack_id(worker, __builtin_frame_address(0)));
}

void region_end(WorkerTrace& worker, std::uint64_t task, std::string_view type) noexcept {
  describe_running(worker);
  put(worker, Event::kUserRegionEnd, task, string_in(worker, type), stack_id(worker, __builtin_frame_address(0)));
}

void log(WorkerTrace& worker, std::uint64_t task, std::string_view category, std::string_view message) noexcept {
  describe_running(worker);
  Generation& generation = generation_of(worker);
  if (generation.strings.bytes() > generation.session.options().max_buffered_bytes) {
    generation.session.fail(std::make_error_code(std::errc::no_buffer_space));
    return;
  }
  const std::uint64_t text = generation.strings.add(cut_string(message));
  put(worker, Event::kUserLog, task, string_in(worker, category), text, stack_id(worker, __builtin_frame_address(0)));
}

#undef CREEL_INLINE

}  // namespace events
}  // namespace creel::tracer

#endif  // CREEL_TRACER_OFF
