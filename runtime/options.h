// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What a runtime is started with.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace creel {

// Precedence: a field set here (not at its "unset" value) wins over the environment variable, which wins over the default.
struct Options {
  std::uint32_t procs = 0;     // CREEL_PROCS; 1 to 1024; unset 0: the CPUs this process may use
  std::size_t stack_size = 0;  // CREEL_STACK_SIZE; bytes per fiber stack, 16384 to 67108864; unset 0: 262144
  std::string trace = {};      // CREEL_TRACE; file to trace the whole run() into; unset: no trace
  std::string log_level = {};  // CREEL_LOG; spdlog level name; unset: warning
  std::uint32_t sched_trace_ms = 0;  // CREEL_SCHEDTRACE; ms between lines on the scheduler's state, 1 to 3600000; unset: none
  bool dump_on_sigquit = true;  // SIGQUIT writes a dump of all fibers and ends the process with status 2 (not if it is handled)
  // CREEL_FUZZ; other schedules than the usual, chosen by a seed, to find what depends on the order (sched/README.md,
  // "Fuzzing"): a seed, "deterministic:SEED" or "pct:SEED" (one processor, virtual time, replayed by the seed; procs and
  // force_migration do not count then), "off"; seeds are whole numbers below 2^64; unset: off
  std::string fuzz = {};
  // Testing aid: every resume of a fiber happens on another thread than the one it left. Slow; finds code that keeps
  // thread-local addresses across a park.
  bool force_migration = false;
};

}  // namespace creel
