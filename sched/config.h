// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the scheduler is started with. Validated by runtime/options.cc; users see creel::Options.

#pragma once

#include <cstddef>
#include <cstdint>

namespace creel::sched {

// Most processors one runtime may have; bounds tables indexed by P id.
inline constexpr std::uint32_t kMaxProcs = 1024;
// Most worker threads, as Go's sched.maxmcount: more means threads leak into blocking calls.
inline constexpr std::uint32_t kMaxWorkers = 10000;
inline constexpr std::size_t kDefaultStackSize = 256u << 10;

// Schedule fuzzing (fuzz.h).
enum class FuzzMode : std::uint8_t { kOff, kThreads, kDeterministic, kPct };
struct FuzzConfig {
  FuzzMode mode = FuzzMode::kOff;
  std::uint64_t seed = 0;

  // One worker, virtual time: the same seed takes the same course.
  [[nodiscard]] bool deterministic() const noexcept { return mode == FuzzMode::kDeterministic || mode == FuzzMode::kPct; }
};

struct Config {
  std::uint32_t procs = 1;
  std::size_t stack_size = kDefaultStackSize;
  std::uint32_t sched_trace_ms = 0;  // between two lines on the scheduler's state; 0: none
  // Testing aid: every resume of a fiber happens on another thread than the one it left.
  bool force_migration = false;
  FuzzConfig fuzz;  // deterministic: requires procs == 1 and no forced migration
};

}  // namespace creel::sched
