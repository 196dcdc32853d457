// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Writing events and statuses into a worker's buffer. Internal: shared by the hook (hook.cc) and the recorder.
//
// Claims (README.md): who first mentions a fiber or processor in a generation claims it and writes its status, as it
// was before the event, ahead of the event. Bit 0 of the claim is set while that is under way; others wait for it.

#pragma once

#include <sched.h>

#include <algorithm>
#include <string_view>

#include "creel/tracer/generation.h"
#include "creel/tracer/session.h"
#include "creel/tracer/stack_walk.h"
#include "creel/tracer/trace_state.h"

namespace creel::tracer {

using format::Event;
using format::kNone;

// Set in g_generation for good where the kernel has no membarrier: sections then fence (hook.h, rule E).
inline constexpr std::uint64_t kFenceBit = std::uint64_t{1} << 63;

// The generation with this number, while its slot holds it: from its installation until that of the next but one; else
// null. Caller: inside a Section of that generation or of the one after it.
[[nodiscard]] Generation* generation_slot(std::uint64_t number) noexcept;

// Hands `worker`'s buffer, if any, to the writer.
void hand_over(WorkerTrace& worker) noexcept;
// Gives `worker` an empty buffer of `generation` whose base is `time`, or its last event if that is later. Returns
// false when memory is out (the session has then failed).
bool take_buffer(WorkerTrace& worker, Generation& generation, std::uint64_t time) noexcept;
// Replaces a full buffer. In a failed session the full one is emptied and used again.
void refill(WorkerTrace& worker) noexcept;

// Writes one event at `time` or, if that is past, at the time of the event before. Requires: room.
template <typename... Args>
inline void put_in_room(WorkerTrace& worker, std::uint64_t time, Event event, Args... args) noexcept {
  static_assert(1 + format::kMaxVarint * (1 + sizeof...(Args)) <= kEventRoom);
  time = std::max(time, worker.last_time);
  std::uint8_t* pos = worker.pos;
  *pos++ = static_cast<std::uint8_t>(event);
  pos = format::put_varint(pos, time - worker.last_time);
  ((pos = format::put_varint(pos, static_cast<std::uint64_t>(args))), ...);
  worker.pos = pos;
  worker.last_time = time;
  ++worker.events;
}

// Appends one event at `time` or, if that is past, at the time of the event before. Requires: worker.buffer.
template <typename... Args>
inline void put_at(WorkerTrace& worker, std::uint64_t time, Event event, Args... args) noexcept {
  if (worker.pos > worker.end) [[unlikely]]
    refill(worker);
  put_in_room(worker, time, event, args...);
}

template <typename... Args>
[[gnu::noinline]] void put_slowly(WorkerTrace& worker, Event event, Args... args) noexcept {
  put_at(worker, worker.clock.now(), event, args...);
}

// Appends one event now. The usual way calls no function, so it saves no registers.
template <typename... Args>
inline void put(WorkerTrace& worker, Event event, Args... args) noexcept {
  if (worker.pos > worker.end || !g_cpu_counter) [[unlikely]]
    return put_slowly(worker, event, args...);
  put_in_room(worker, worker.clock.units(read_cpu_counter()), event, args...);
}

// The stack's id in `generation`.
[[nodiscard]] std::uint64_t intern_stack(Generation& generation, const StackKey& key) noexcept;
// Cuts `text` to what a trace may hold, at a UTF-8 boundary.
[[nodiscard]] std::string_view cut_string(std::string_view text) noexcept;

// Takes the right to describe `resource` in generation `number`. True: the caller must write its status and then call
// described(). False: that is done already. Waits, by spinning, while another thread is at it.
template <typename Resource>
inline bool claim(Resource& resource, std::uint64_t number, std::uint64_t& before) noexcept {
  // Acquire pairs with the release in described(): its seq and status event come before ours.
  std::uint64_t value = resource.claim.load(std::memory_order_acquire);
  for (int spins = 0;; ++spins) {
    if (value >> 1 >= number) {
      if ((value & 1) == 0) [[likely]]
        return false;
      if (spins > 100) sched_yield();
      value = resource.claim.load(std::memory_order_acquire);
    } else if (resource.claim.compare_exchange_weak(value, number << 1 | 1, std::memory_order_acq_rel,
                                                    std::memory_order_acquire)) {
      before = value;
      return true;
    }
  }
}

template <typename Resource>
inline void described(Resource& resource, std::uint64_t number) noexcept {
  resource.claim.store(number << 1, std::memory_order_release);  // pairs with the acquire loads in claim()
}

// Whether nothing is left of claim() and described() to do: the rule, but for the first mention in a generation. Requires:
// worker.generation is that of the buffer, so not for the recorder.
template <typename Resource>
inline bool is_described(const WorkerTrace& worker, const Resource& resource) noexcept {
  return resource.claim.load(std::memory_order_acquire) == worker.generation << 1;  // pairs with described()
}

// Writes ProcStatus unless done in this generation. `status`: what the P was before the event that follows.
void describe(WorkerTrace& worker, ProcTrace& proc, ProcStatus status) noexcept;
// Writes GoStatus unless done in this generation. `m`: the thread for kRunning and kSyscall, else kNone.
void describe(WorkerTrace& worker, FiberTrace& fiber, FiberStatus status, std::uint64_t m) noexcept;
// The event alone, at `time`; the caller holds the claim.
void put_status(WorkerTrace& worker, std::uint64_t time, const FiberTrace& fiber, FiberStatus status, std::uint64_t m,
                const StackKey& key) noexcept;

// Ends generation `generation` for `worker`: describes its P and fiber if nothing in that generation did, and hands its
// buffer over. Caller: the worker in its first Section after that generation, or the recorder once that worker cannot
// be inside a Section of it. Requires: worker.mu, worker.closed < generation.number.
void close_generation(WorkerTrace& worker, Generation& generation) noexcept;

}  // namespace creel::tracer
