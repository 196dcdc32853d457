// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The recorder: generations, buffers, sinks. The internal control side of the tracer; users see trace.h.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

#include "creel/tracer/sink.h"
#include "creel/tracer/status_lister.h"
#include "creel/tracer/trace_state.h"

namespace creel::tracer {

// Makes `worker` known: from now on generation changes wait for its Sections. worker.id must be set.
// Caller: the thread itself, before its first Section. Blocking: a short mutex.
void attach(WorkerTrace& worker);
// Flushes what the worker has written and forgets it. Caller: the thread itself, after its last Section.
void detach(WorkerTrace& worker);

// Forgets a worker whose thread cannot be waited for: it emits nothing more, and its later detach() does nothing.
// Caller: any thread. What it has not handed over of a running trace is lost.
void abandon(WorkerTrace& worker);

// Who lists fibers and processors; null: nobody (no runtime running). Never changed while a trace is on: the runtime
// calls end_runtime() first.
void set_status_lister(StatusLister* lister);

struct RecorderOptions {
  int level = 23;                                        // header level: 22, 23, 25 or 26
  std::chrono::nanoseconds period = std::chrono::seconds(1);  // generation period
  std::size_t max_buffered_bytes = 256u << 20;           // data waiting for a slow sink; more ends the trace
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(10);  // how long stop() waits for the sink
};

// Starts recording into `sink`. Errors: device_or_resource_busy when already tracing; what sink.open() gave;
// invalid_argument for an unknown level. Blocking: until no worker is inside a transition that began untraced.
[[nodiscard]] std::error_code start_recording(std::unique_ptr<Sink> sink, const RecorderOptions& options);

// Ends recording: completes the current generation, waits until the sink has all of it. Returns the first error the sink
// gave during the session, or {} (also when nothing is traced). Thread safety: any thread; concurrent calls serialise.
std::error_code stop_recording();

// For a process that is about to end by an error: stop_recording() with at most a second for the sink; an error goes
// to stderr. Caller: not inside a Section.
void save_recording_at_end() noexcept;

// Forces a generation change. No-op when nothing is traced. Returns when the old generation has been handed to the writer.
void advance_generation();

[[nodiscard]] bool recording() noexcept;

struct RecorderStats {
  std::uint64_t events;       // events written in the current or last session
  std::uint64_t bytes;        // bytes given to the sink
  std::uint64_t generations;  // complete generations given to the sink
};
[[nodiscard]] RecorderStats recorder_stats() noexcept;

// What trace::stop() calls around its wait, so that a fiber's P is not held up by it: the runtime's blocking section.
// Null: nothing.
void set_blocking_hooks(void (*enter)(), void (*leave)()) noexcept;

// Where the recorder reports an error of a running session (sink failed); called on its writer thread. Null: nowhere.
void set_error_handler(void (*handler)(const std::string& message));

}  // namespace creel::tracer
