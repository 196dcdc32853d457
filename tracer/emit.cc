// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/emit.h"

#include <mutex>

namespace creel::tracer {

void hand_over(WorkerTrace& worker) noexcept {
  Buffer* buffer = worker.buffer;
  if (buffer == nullptr) return;
  buffer->finish_batch(worker.pos, worker.events);
  worker.buffer = nullptr;
  worker.pos = nullptr;
  worker.end = nullptr;
  buffer->generation->session.push(*buffer->generation, buffer);
}

bool take_buffer(WorkerTrace& worker, Generation& generation, std::uint64_t time) noexcept {
  Buffer* buffer = allocate_buffer();
  if (buffer == nullptr) {
    generation.session.fail(std::make_error_code(std::errc::no_buffer_space));
    return false;
  }
  worker.last_time = std::max({time, worker.last_time, generation.start_units});
  buffer->generation = &generation;
  worker.buffer = buffer;
  worker.clock = generation.clock;
  worker.events = 0;
  worker.pos = buffer->begin_batch(generation.number, worker.id, worker.last_time);
  worker.end = buffer->end();
  return true;
}

void refill(WorkerTrace& worker) noexcept {
  Generation& generation = *worker.buffer->generation;
  if (!generation.session.failed() && generation.session.over_budget()) {
    generation.session.fail(std::make_error_code(std::errc::no_buffer_space));
  }
  Buffer* full = worker.buffer;
  std::uint8_t* const full_pos = worker.pos;
  const std::uint32_t full_events = worker.events;
  if (!generation.session.failed() && take_buffer(worker, generation, generation.clock.now())) {
    full->finish_batch(full_pos, full_events);
    generation.session.push(generation, full);
    return;
  }
  // The trace has ended with an error: what is written from here on goes nowhere.
  worker.buffer = full;
  worker.events = 0;
  worker.pos = full->begin_batch(generation.number, worker.id, worker.last_time);
}

std::uint64_t intern_stack(Generation& generation, const StackKey& key) noexcept {
  return generation.stacks.intern(key.span());
}

std::string_view cut_string(std::string_view text) noexcept {
  if (text.size() <= format::kMaxString) return text;
  std::size_t size = format::kMaxString;
  while (size != 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size != 0 ? size : static_cast<std::size_t>(format::kMaxString));
}

void describe(WorkerTrace& worker, ProcTrace& proc, ProcStatus status) noexcept {
  const std::uint64_t number = worker.buffer->generation->number;
  std::uint64_t before;
  if (!claim(proc, number, before)) [[likely]]
    return;
  proc.seq = 0;
  put(worker, Event::kProcStatus, proc.id, status);
  described(proc, number);
}

void put_status(WorkerTrace& worker, std::uint64_t time, const FiberTrace& fiber, FiberStatus status, std::uint64_t m,
                const StackKey& key) noexcept {
  Generation& generation = *worker.buffer->generation;
  if (generation.level < 23) {
    put_at(worker, time, Event::kGoStatus, fiber.id, m, status);
  } else {
    put_at(worker, time, Event::kGoStatusStack, fiber.id, m, status, intern_stack(generation, key));
  }
}

void describe(WorkerTrace& worker, FiberTrace& fiber, FiberStatus status, std::uint64_t m) noexcept {
  Generation& generation = *worker.buffer->generation;
  std::uint64_t before;
  if (!claim(fiber, generation.number, before)) [[likely]]
    return;
  fiber.seq = 0;
  if (fiber.name != nullptr && before >> 1 < generation.first) fiber.label_pending = true;
  StackKey key;  // the start frame names a fiber whose other events carry no stack
  start_stack(fiber, key);
  put_status(worker, generation.clock.now(), fiber, status, m, key);
  described(fiber, generation.number);
}

void close_generation(WorkerTrace& worker, Generation& generation) noexcept {
  const std::uint64_t number = generation.number;
  const std::uint64_t time = generation.end_units;
  // Requires a buffer to be there: one is made when the worker was silent all through the generation.
  const auto ready = [&] { return worker.buffer != nullptr || take_buffer(worker, generation, time); };

  // The claim is loaded before the state and then compare-exchanged: had anybody mentioned the resource in between, in
  // this generation or the next, the claim would have moved. Counters are left alone: nothing follows in this
  // generation, and the next claim resets them.
  ProcTrace* proc = worker.proc;
  bool proc_running = false;
  if (proc != nullptr) {
    std::uint64_t seen = proc->claim.load(std::memory_order_acquire);  // pairs with described()
    const bool held = proc->holder.load(std::memory_order_acquire) == worker.id;
    const ProcStatus status = proc->status.load(std::memory_order_acquire);
    if (held && (status == ProcStatus::kRunning || status == ProcStatus::kSyscall)) {
      bool known = seen >> 1 == number;
      if (seen >> 1 < number && ready() &&
          proc->claim.compare_exchange_strong(seen, number << 1, std::memory_order_acq_rel)) {
        put_at(worker, time, Event::kProcStatus, proc->id, status);
        known = true;
      }
      proc_running = known && status == ProcStatus::kRunning;
    }
  }
  if (FiberTrace* fiber = worker.fiber) {
    std::uint64_t seen = fiber->claim.load(std::memory_order_acquire);  // pairs with described()
    const FiberStatus status = fiber->status.load(std::memory_order_acquire);
    if (status == FiberStatus::kRunning || status == FiberStatus::kSyscall) {
      bool known = seen >> 1 == number;
      if (seen >> 1 < number && ready() &&
          fiber->claim.compare_exchange_strong(seen, number << 1, std::memory_order_acq_rel)) {
        if (fiber->name != nullptr && seen >> 1 < generation.first) fiber->label_pending = true;
        StackKey key;
        start_stack(*fiber, key);
        put_status(worker, time, *fiber, status, worker.id, key);
        known = true;
      }
      if (known && proc_running && status == FiberStatus::kRunning && ready() &&
          !generation.procs_changed.exchange(true, std::memory_order_relaxed)) {
        put_at(worker, time, Event::kProcsChange, generation.proc_count, 0u);
      }
    }
  }
  hand_over(worker);
}

}  // namespace creel::tracer
