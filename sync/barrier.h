// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Rendezvous of a fixed number of fibers, phase after phase.
//
// What each fiber did before it arrived happens before the completion, which happens before any of them goes on.

#pragma once

#include <cstddef>
#include <functional>
#include <optional>

#include "creel/sync/wait_queue.h"

namespace creel {

class Barrier {
 public:
  // A phase ends when `count` fibers have arrived; the last one runs `completion` before the others go on.
  // Requires: count >= 1 (else misuse).
  explicit Barrier(std::size_t count, std::function<void()> completion = nullptr);
  ~Barrier();
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  // Arrives, and parks until the phase ends. True for the fiber that arrived last. Errors: for that fiber, what the
  // completion throws; the others go on all the same.
  bool arrive_and_wait();
  // The same until `context` ends: nullopt says that it did before the phase, and that the arrival is taken back.
  std::optional<bool> arrive_and_wait(const Context& context);
  // Arrives without waiting and takes no part in later phases. Requires: a phase does not wait for nobody, that is, at
  // most `count` calls in all (else misuse).
  void arrive_and_drop();

 private:
  // Ends the phase. Caller: holds lock_, which is released.
  void complete_phase();
  std::optional<bool> arrive(sync::Waiter& self);
  static bool expire(void* self, sync::Waiter& waiter, sync::WakeList& wakes);

  sched::SpinLock lock_;
  std::size_t count_;        // guarded by lock_: fibers that take part
  std::size_t arrived_ = 0;  // guarded by lock_: in the current phase
  sync::WaitQueue queue_;    // guarded by lock_
  const std::function<void()> completion_;
};

}  // namespace creel
