// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/hook.h"

#if !defined(CREEL_TRACER_OFF)

#include "creel/tracer/emit.h"

namespace creel::tracer {
namespace {

Generation& generation_of(const WorkerTrace& worker) noexcept { return *worker.buffer->generation; }

// Whether the worker holds its P for itself (not one that may be taken from its syscall at any moment).
bool holds_running_proc(const WorkerTrace& worker) noexcept {
  // Acquire pairs with the scheduler's stores when it hands a P over.
  return worker.proc != nullptr && worker.proc->holder.load(std::memory_order_acquire) == worker.id &&
         worker.proc->status.load(std::memory_order_acquire) == ProcStatus::kRunning;
}

bool runs_fiber(const WorkerTrace& worker) noexcept {
  return worker.fiber != nullptr && worker.fiber->status.load(std::memory_order_relaxed) == FiberStatus::kRunning;
}

void put_label(WorkerTrace& worker, FiberTrace& fiber) noexcept {
  if (!fiber.label_pending) [[likely]]
    return;
  fiber.label_pending = false;
  put(worker, Event::kGoLabel, generation_of(worker).strings.intern(cut_string(fiber.name)));
}

// The P, then the fiber, as they were before the event that follows.
void describe_current(WorkerTrace& worker, ProcStatus proc, FiberStatus fiber) noexcept {
  if (worker.proc != nullptr) describe(worker, *worker.proc, proc);
  if (worker.fiber != nullptr) {
    describe(worker, *worker.fiber, fiber, worker.id);
    if (fiber == FiberStatus::kRunning && worker.proc != nullptr) put_label(worker, *worker.fiber);
  }
}

void describe_running(WorkerTrace& worker) noexcept {
  describe_current(worker, ProcStatus::kRunning, FiberStatus::kRunning);
}

// ProcsChange, once per generation. Requires: P and fiber run and are described.
void put_procs_change_once(WorkerTrace& worker) noexcept {
  Generation& generation = generation_of(worker);
  if (generation.procs_changed.load(std::memory_order_relaxed) ||
      generation.procs_changed.exchange(true, std::memory_order_relaxed)) {
    return;
  }
  put(worker, Event::kProcsChange, generation.proc_count, 0u);
}

std::uint64_t stack_id(WorkerTrace& worker) noexcept {
  if (worker.fiber == nullptr) return 0;
  StackKey key;
  current_stack(*worker.fiber, key);
  return intern_stack(generation_of(worker), key);
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
      // Alive: the recorder seals a generation only after it has closed it for every worker, under worker.mu.
      if (Generation* previous = generation_slot(number - 1)) close_generation(worker, *previous);
      worker.closed = number - 1;
    }
    Generation& generation = *generation_slot(number);
    if (!take_buffer(worker, generation, generation.clock.now())) return false;
    worker.generation = number;
  }
  if (holds_running_proc(worker) && runs_fiber(worker) &&
      !generation_of(worker).procs_changed.load(std::memory_order_relaxed)) {
    describe_running(worker);
    put_procs_change_once(worker);
  }
  return true;
}

}  // namespace

void Section::begin() noexcept {
  if ((generation_ & kFenceBit) != 0) [[unlikely]] {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the recorder's fence in heavy_barrier()
    generation_ = g_generation.load(std::memory_order_acquire) & ~kFenceBit;
    if (generation_ == 0) return;
  }
  if (worker_.generation == generation_) [[likely]]
    return;
  if (!enter_generation(worker_, generation_)) generation_ = 0;
}

void Section::procs_change(std::uint32_t count) noexcept {
  if (worker_.proc == nullptr || worker_.fiber == nullptr) return;
  describe_running(worker_);
  generation_of(worker_).procs_changed.store(true, std::memory_order_relaxed);
  put(worker_, Event::kProcsChange, count, stack_id(worker_));
}

void Section::proc_start(ProcTrace& proc) noexcept {
  describe(worker_, proc, ProcStatus::kIdle);
  put(worker_, Event::kProcStart, proc.id, ++proc.seq);
}

void Section::proc_stop() noexcept {
  const bool syscall = worker_.proc->status.load(std::memory_order_relaxed) == ProcStatus::kSyscall;
  describe(worker_, *worker_.proc, syscall ? ProcStatus::kSyscall : ProcStatus::kRunning);
  put(worker_, Event::kProcStop);
}

void Section::proc_steal(ProcTrace& proc, std::uint64_t victim) noexcept {
  // The victim entered its syscall in a newer generation than we entered our Section (against rule C): follow it. That
  // generation is the current one and stays so, as the recorder waits for us to leave.
  const std::uint64_t claimed = proc.claim.load(std::memory_order_acquire) >> 1;  // pairs with described()
  if (claimed > generation_) [[unlikely]] {
    if (!enter_generation(worker_, claimed)) return;
    generation_ = claimed;
  }
  describe(worker_, proc, ProcStatus::kAbandoned);
  put(worker_, Event::kProcSteal, proc.id, ++proc.seq, victim);
}

void Section::fiber_create(FiberTrace& fiber) noexcept {
  describe_running(worker_);
  Generation& generation = generation_of(worker_);
  // Creating it is its description in this generation. No sweep can be at it: a fiber not yet created is dead.
  fiber.claim.store(generation.number << 1, std::memory_order_release);  // pairs with the acquire loads in claim()
  fiber.seq = 0;
  fiber.label_pending = fiber.name != nullptr;
  put(worker_, Event::kGoCreate, fiber.id, start_stack_id(generation, fiber), stack_id(worker_));
}

void Section::fiber_start(FiberTrace& fiber) noexcept {
  if (worker_.proc != nullptr) describe(worker_, *worker_.proc, ProcStatus::kRunning);
  describe(worker_, fiber, FiberStatus::kRunnable, kNone);
  put(worker_, Event::kGoStart, fiber.id, ++fiber.seq);
  put_label(worker_, fiber);
  put_procs_change_once(worker_);
}

void Section::fiber_stop(StopReason reason) noexcept {
  describe_running(worker_);
  put(worker_, Event::kGoStop, string_id(reason), stack_id(worker_));
}

void Section::fiber_block(BlockReason reason) noexcept {
  describe_running(worker_);
  put(worker_, Event::kGoBlock, string_id(reason), stack_id(worker_));
}

void Section::fiber_unblock(FiberTrace& fiber) noexcept {
  if (holds_running_proc(worker_)) {
    describe(worker_, *worker_.proc, ProcStatus::kRunning);
    if (runs_fiber(worker_)) describe(worker_, *worker_.fiber, FiberStatus::kRunning, worker_.id);
  }
  describe(worker_, fiber, FiberStatus::kWaiting, kNone);
  put(worker_, Event::kGoUnblock, fiber.id, ++fiber.seq, stack_id(worker_));
}

void Section::fiber_destroy() noexcept {
  describe_running(worker_);
  put(worker_, Event::kGoDestroy);
}

void Section::syscall_begin() noexcept {
  describe_running(worker_);
  put(worker_, Event::kGoSyscallBegin, ++worker_.proc->seq, stack_id(worker_));
}

void Section::syscall_end() noexcept {
  describe_current(worker_, ProcStatus::kSyscall, FiberStatus::kSyscall);
  put(worker_, Event::kGoSyscallEnd);
}

void Section::syscall_end_blocked() noexcept {
  if (holds_running_proc(worker_)) describe(worker_, *worker_.proc, ProcStatus::kRunning);
  describe(worker_, *worker_.fiber, FiberStatus::kSyscall, worker_.id);
  put(worker_, Event::kGoSyscallEndBlocked);
}

void Section::label(std::string_view name) noexcept {
  describe_running(worker_);
  put(worker_, Event::kGoLabel, string_in(worker_, name));
}

void Section::task_begin(std::uint64_t task, std::uint64_t parent, std::string_view type) noexcept {
  describe_running(worker_);
  put(worker_, Event::kUserTaskBegin, task, parent, string_in(worker_, type), stack_id(worker_));
}

void Section::task_end(std::uint64_t task) noexcept {
  describe_running(worker_);
  put(worker_, Event::kUserTaskEnd, task, stack_id(worker_));
}

void Section::region_begin(std::uint64_t task, std::string_view type) noexcept {
  describe_running(worker_);
  put(worker_, Event::kUserRegionBegin, task, string_in(worker_, type), stack_id(worker_));
}

void Section::region_end(std::uint64_t task, std::string_view type) noexcept {
  describe_running(worker_);
  put(worker_, Event::kUserRegionEnd, task, string_in(worker_, type), stack_id(worker_));
}

void Section::log(std::uint64_t task, std::string_view category, std::string_view message) noexcept {
  describe_running(worker_);
  Generation& generation = generation_of(worker_);
  if (generation.strings.bytes() > generation.session.options().max_buffered_bytes) {
    generation.session.fail(std::make_error_code(std::errc::no_buffer_space));
    return;
  }
  const std::uint64_t text = generation.strings.add(cut_string(message));
  put(worker_, Event::kUserLog, task, string_in(worker_, category), text, stack_id(worker_));
}

}  // namespace creel::tracer

#endif  // CREEL_TRACER_OFF
