// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// One generation of a trace: its number, clock, tables, and the finished batches on their way to the writer.
// Internal to the emit side. The protocol is in recorder.cc; see "Generations" in README.md.

#pragma once

#include <atomic>
#include <cstdint>

#include "creel/tracer/block_reason.h"
#include "creel/tracer/buffer.h"
#include "creel/tracer/clock.h"
#include "creel/tracer/tables.h"

namespace creel::tracer {

class Session;

// String ids fixed in each generation, so block and stop hooks look nothing up.
[[nodiscard]] constexpr std::uint64_t string_id(BlockReason reason) noexcept {
  return 1 + static_cast<std::uint64_t>(reason);
}
[[nodiscard]] constexpr std::uint64_t string_id(StopReason reason) noexcept {
  return string_id(BlockReason::kCount) + static_cast<std::uint64_t>(reason);
}
inline constexpr std::uint64_t kFirstFreeString = string_id(StopReason::kCount);

struct Generation {
  Generation(Session& owner, std::uint64_t n) : session(owner), number(n) {}

  Session& session;
  const std::uint64_t number;
  std::uint64_t first = 0;  // number of the session's first generation
  int level = 23;
  std::uint32_t proc_count = 1;  // for ProcsChange, as the lister said when the generation was prepared
  bool discard = false;          // opened only to complete the one before it: nothing of it is written

  // Set before the generation is published.
  ClockMap clock;
  std::uint64_t start_units = 0;  // batches that belong to no moment carry this time
  std::uint64_t mono_ns = 0;      // clock snapshot
  std::uint64_t wall_ns = 0;
  // Set before the next generation is published: the time of what is written on behalf of silent workers.
  std::uint64_t end_units = 0;

  InternTable strings{kFirstFreeString, 1024};
  InternTable stacks{1};
  std::atomic<bool> procs_changed{false};  // relaxed: whether ProcsChange was written; only uniqueness counts

  // Guarded by the session's lock.
  Buffer* full_head = nullptr;  // finished batches, oldest first
  Buffer* full_tail = nullptr;
  bool sealed = false;  // no more batches will come
};

}  // namespace creel::tracer
