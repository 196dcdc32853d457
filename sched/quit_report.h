// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The way from a signal handler to a dump of all fibers: the handler leaves a note and wakes the monitor, which is never stuck
// in user code, and the monitor writes the dump and ends the process.

#pragma once

namespace creel::sched {

struct Scheduler;

// Asks the running scheduler's monitor to end the process with a dump. Async-signal-safe. False: no scheduler runs.
bool request_quit_report() noexcept;

// Waits until no handler is inside request_quit_report(). Caller: the end of a runtime, after scheduler() has become null
// and before the scheduler is freed.
void await_quit_requests() noexcept;

// Ends the process with a dump if one was asked for. Caller: the monitor.
void serve_quit_request(Scheduler& s);

// In the monitor's place where there is none, in a deterministic run: does nothing but wait for a request.
void await_quit_request_main(Scheduler* scheduler);

}  // namespace creel::sched
