// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The dump of all fibers, for deadlock and crash reports and on demand.

#pragma once

#include <string>

namespace creel::sched {

struct Fiber;
struct Scheduler;

// Text: one block per group of fibers with equal state and stack; id, name, state, reason, age, creation site, stack.
// May be called while workers run, from any thread, also while all of them are stuck: takes no lock they hold for long.
// Stacks of running fibers are not shown (they change under the reader's eyes), only where they were created.
[[nodiscard]] std::string dump_fibers(Scheduler& s);

// Where a fiber was created: by whom, in which function, file and line.
[[nodiscard]] std::string creation_of(const Fiber& fiber);

// The running fiber of the calling thread: id, name, stack, creation. Caller: on that fiber.
[[nodiscard]] std::string describe_running(const Fiber& fiber);

// Prints the deadlock report, completes a running trace and ends the process with status 2. Requires: s.lock.
[[noreturn]] void report_deadlock(Scheduler& s);

}  // namespace creel::sched
