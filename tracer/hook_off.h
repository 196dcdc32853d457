// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// hook.h with tracing compiled out (CREEL_TRACER_OFF): the same interface, nothing in it.

#pragma once

#include <cstdint>
#include <string_view>

#include "creel/tracer/block_reason.h"
#include "creel/tracer/trace_state.h"

namespace creel::tracer {

class Section {
 public:
  explicit Section(WorkerTrace&) noexcept {}
  Section(WorkerTrace&, bool) noexcept {}
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  explicit operator bool() const noexcept { return false; }

  void procs_change(std::uint32_t) noexcept {}
  void proc_start(ProcTrace&) noexcept {}
  void proc_stop() noexcept {}
  void proc_steal(ProcTrace&, std::uint64_t) noexcept {}
  void fiber_create(FiberTrace&) noexcept {}
  void fiber_create_syscall(FiberTrace&) noexcept {}
  void fiber_destroy_syscall(FiberTrace&) noexcept {}
  void fiber_start(FiberTrace&) noexcept {}
  void fiber_stop(StopReason) noexcept {}
  void fiber_block(BlockReason) noexcept {}
  void fiber_unblock(FiberTrace&) noexcept {}
  void fiber_destroy() noexcept {}
  void syscall_begin() noexcept {}
  void syscall_end() noexcept {}
  void syscall_end_blocked() noexcept {}
  void label(std::string_view) noexcept {}
  void task_begin(std::uint64_t, std::uint64_t, std::string_view) noexcept {}
  void task_end(std::uint64_t) noexcept {}
  void region_begin(std::uint64_t, std::string_view) noexcept {}
  void region_end(std::uint64_t, std::string_view) noexcept {}
  void log(std::uint64_t, std::string_view, std::string_view) noexcept {}
};

}  // namespace creel::tracer
