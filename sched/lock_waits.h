// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Who waits for which lock, held by whom; and the circles among them, which are deadlocks.
//
// A lock's holder is known by the stack on which lock() was called (wait_object.h). So it is not known when a thread that is not
// attached (outside.h) holds it, and a lock left behind by a fiber that has ended is taken for one of the fiber that has its
// stack now.
// Thread safety: any thread; the locks are copied by the kernel, so one that dies meanwhile is no fault.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "creel/tracer/block_reason.h"

namespace creel::sched {

struct LockWait {
  std::uint64_t waiter = 0;  // fiber id
  const void* lock = nullptr;  // a word of wait_object.h
  std::uint64_t holder = 0;  // fiber id
};

// "Mutex 0x7f12", "descriptor 5" for a word of wait_object.h; "" where there is no object.
[[nodiscard]] std::string describe_object(const void* tagged, tracer::BlockReason reason);

// Who holds the lock that a wait is for.
struct Hold {
  bool is_lock = false;      // the object is of a kind that is held: a Mutex, an RWMutex, a Once
  std::uint64_t fiber = 0;   // its holder (for writing); 0: nobody, or unknown
  std::uint64_t readers = 0; // of an RWMutex
};
[[nodiscard]] Hold hold_of(const void* tagged, tracer::BlockReason reason) noexcept;

// The circles in `waits`, each once: its waits in order, each one's holder being the next one's waiter.
[[nodiscard]] std::vector<std::vector<LockWait>> find_circles(const std::vector<LockWait>& waits);

// As text; `names` maps ids to how fibers are shown. "" without circles.
[[nodiscard]] std::string describe_circles(const std::vector<std::vector<LockWait>>& circles,
                                           const std::map<std::uint64_t, std::string>& names);

}  // namespace creel::sched
