// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the tracer keeps in each fiber (G), processor (P) and worker (M). The scheduler's Fiber, Processor and Worker
// derive from these structs, so the tracer never sees a type of a higher layer.
//
// Ownership: a field marked "scheduler" is the scheduler's truth, written whether tracing is on or off, always inside a
// Section (hook.h) of the worker that owns the transition; "tracer" fields are written by the emit side only.

#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <source_location>

#include "creel/tracer/block_reason.h"
#include "creel/tracer/clock.h"
#include "creel/tracer/op_seq.h"
#include "creel/tracer/stack_cache.h"

namespace creel::tracer {

// State of a fiber. The numbers are those of GoStatus on the wire; kDead (0) never reaches a trace.
enum class FiberStatus : std::uint8_t { kDead = 0, kRunnable = 1, kRunning = 2, kSyscall = 3, kWaiting = 4 };

// State of a processor. The numbers are those of ProcStatus on the wire; kDead (0) never reaches a trace.
// kAbandoned is written by the tracer only (hook-side of a steal), never stored as a status.
enum class ProcStatus : std::uint8_t { kDead = 0, kRunning = 1, kIdle = 2, kSyscall = 3, kAbandoned = 4 };

// Usable range of a fiber's stack; lies at the top of the stack's own memory. Frame-pointer walks stay inside it.
struct StackBounds {
  std::uintptr_t low = 0;   // lowest usable address
  std::uintptr_t high = 0;  // one past the highest
};

// What is known of a callable type at compile time; one static object per type, 8-byte aligned. Names the start frame.
struct CallableInfo {
  const char* type_name;  // mangled type name (typeid(F).name()), or __PRETTY_FUNCTION__ of a helper without RTTI
  bool mangled;           // whether type_name is a mangled name
};

// The function a fiber was started with: a CallableInfo, or the address of a plain function. One word.
class StartCallable {
 public:
  constexpr StartCallable() noexcept = default;
  explicit StartCallable(const CallableInfo* info) noexcept : bits_(reinterpret_cast<std::uintptr_t>(info)) {}
  // A function's address: shifted, since a function may lie at an odd address (user addresses are below 2^63).
  static StartCallable function(std::uintptr_t address) noexcept {
    StartCallable c;
    c.bits_ = address << 1 | 1;
    return c;
  }
  [[nodiscard]] bool is_function() const noexcept { return (bits_ & 1) != 0; }
  [[nodiscard]] std::uintptr_t address() const noexcept { return bits_ >> 1; }
  [[nodiscard]] const CallableInfo* info() const noexcept { return reinterpret_cast<const CallableInfo*>(bits_); }
  [[nodiscard]] std::uintptr_t bits() const noexcept { return bits_; }

 private:
  std::uintptr_t bits_ = 0;
};

struct FiberTrace {
  std::uint64_t id = 0;  // scheduler: G id, from 1, never reused within a process

  // tracer: generation in which this fiber was last described, times two; bit 0: a sweep is describing it right now
  // (see "Claims" in README.md). Changed by compare-exchange only, never backwards.
  std::atomic<std::uint64_t> claim{0};
  std::uint32_t seq = 0;  // tracer: events counted for this fiber in the claimed generation; owner of the transition

  std::atomic<FiberStatus> status{FiberStatus::kDead};  // scheduler
  BlockReason reason = BlockReason::kUnspecified;       // scheduler: valid while kWaiting
  // scheduler: false once the fiber's context is fully saved; its stack may be walked by others only then.
  std::atomic<bool> on_cpu{false};
  bool label_pending = false;  // tracer: emit GoLabel(name) at the next start

  const StackBounds* stack = nullptr;  // scheduler: null until the first run
  std::uintptr_t parked_frame = 0;     // scheduler: frame pointer at the last switch away; valid while not on_cpu
  StartCallable callable;              // scheduler: set at creation
  std::source_location site;           // scheduler: where go() was called
  const char* name = nullptr;          // scheduler: fiber's name or null; until the fiber ends
};

struct ProcTrace {
  std::uint32_t id = 0;                            // scheduler: P id, dense from 0
  std::uint32_t seq = 0;                           // tracer
  std::atomic<std::uint64_t> claim{0};             // tracer: as FiberTrace::claim, bit 0 unused
  std::atomic<ProcStatus> status{ProcStatus::kDead};  // scheduler
  // scheduler: trace id of the worker that holds the P (also while its fiber is in a syscall); 0 when idle.
  std::atomic<std::uint64_t> holder{0};
};

struct Buffer;

// A worker, or any other thread that emits events. Registered with the recorder from attach() to detach() (recorder.h).
struct alignas(64) WorkerTrace {
  // Counts the Sections of this thread, tracing on or off: the advancer tells by it whether a transition that began before
  // a change of generation is still under way (hook.h).
  OpSeq op_seq;

  // tracer, owner inside a Section (the recorder under mu while the owner is provably outside, see recorder.cc).
  std::uint64_t generation = 0;  // generation that `buffer` belongs to
  std::uint8_t* pos = nullptr;   // next byte to write
  std::uint8_t* end = nullptr;   // up to here there is room for any event
  std::uint64_t last_time = 0;   // time of the last event in clock units

  // scheduler: bindings. `fiber` stays set during a syscall; `proc` too, but counts only while the P says
  // kSyscall and names this worker as holder.
  ProcTrace* proc = nullptr;
  FiberTrace* fiber = nullptr;

  std::uint64_t id = 0;  // scheduler: OS thread id, the M id of the trace

  // tracer, as above. What an event needs lies in this cache line and the one before.
  ClockMap clock;                 // of the buffer's generation
  Buffer* buffer = nullptr;
  std::uint32_t events = 0;       // in `buffer`
  bool procs_change_due = false;  // ProcsChange may still be missing in the generation: look when a fiber starts
  StackCache stacks;              // ids of the generation

  // tracer, recorder's side.
  std::mutex mu;                      // close of a generation, by the owner or on its behalf
  std::uint64_t closed = 0;           // guarded by mu: last generation closed for this worker
  std::atomic<bool> abandoned{false};  // written under mu: its runtime is gone, it emits nothing more
  WorkerTrace* next = nullptr;        // guarded by the recorder's registry lock
  WorkerTrace* prev = nullptr;
};

}  // namespace creel::tracer
