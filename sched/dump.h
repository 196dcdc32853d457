// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The dump of all fibers, for deadlock and crash reports and on demand.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace creel::sched {

struct Fiber;
struct Scheduler;

// Text: first the circles of fibers that wait for one another's locks; then one block per group of fibers with equal state
// and stack: ids, names, state or reason of the wait, its age, the object and its holder, stack, creation.
// May be called while workers run, from any thread, also while all of them are stuck: takes no lock they hold for long.
// Threads that run a fiber are asked for its stack (stack_probe.h): some 10 us each, 30 ms if one does not answer, more
// where it has to wait for a CPU; at most 5 s in all. On a fiber that is a blocking section: others run meanwhile.
[[nodiscard]] std::string dump_fibers(Scheduler& s);
// The same when nothing runs. Caller: may hold s.lock.
[[nodiscard]] std::string dump_parked_fibers(Scheduler& s);

// The frames of a stack (stack_walk.h), two lines each, innermost first; the last one is the fiber's start frame.
[[nodiscard]] std::vector<std::string> describe_frames(std::span<const std::uint64_t> key);

// Where a fiber was created: by whom, in which function, file and line.
[[nodiscard]] std::string creation_of(const Fiber& fiber);

// The running fiber of the calling thread: id, name, stack, creation. Caller: on that fiber.
[[nodiscard]] std::string describe_running(const Fiber& fiber);

// The fiber that thread `thread` runs: id, name, stack, creation; "" if none does. Any other thread.
[[nodiscard]] std::string describe_fiber_on(Scheduler& s, std::uint64_t thread);

// Prints "creel: " + `headline` and `dump`, completes a running trace and ends the process with status 2, once: a second
// call meanwhile returns. Any thread.
void end_with_dump(Scheduler& s, const char* headline, std::string (*dump)(Scheduler&));

// Past stdio, whose lock a stuck fiber may have. Blocking: while nobody reads it.
void write_stderr(std::string_view text) noexcept;

}  // namespace creel::sched
