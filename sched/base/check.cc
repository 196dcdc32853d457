// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/base/check.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "creel/sched/dump.h"
#include "creel/sched/fuzz.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/worker.h"
#include "creel/tracer/recorder.h"

namespace creel::sched {
namespace {

std::atomic<bool> ending{false};  // relaxed: orders nothing, and the process ends soon

// stderr without stdio's locks.
void print(const char* prefix, std::string_view text) noexcept {
  char line[1024];
  const Worker* worker = this_worker();
  int length = 0;
  if (worker != nullptr) {
    length = std::snprintf(line, sizeof line, "creel: %s%.*s (worker %llu, P %lld, fiber %llu)\n", prefix,
                           static_cast<int>(text.size()), text.data(), static_cast<unsigned long long>(worker->id),
                           worker->proc != nullptr ? static_cast<long long>(worker->proc->id) : -1LL,
                           worker->fiber != nullptr ? static_cast<unsigned long long>(worker->fiber->id) : 0ULL);
  } else {
    length = std::snprintf(line, sizeof line, "creel: %s%.*s\n", prefix, static_cast<int>(text.size()), text.data());
  }
  if (length > static_cast<int>(sizeof line) - 1) length = static_cast<int>(sizeof line) - 1;
  const ssize_t written = write(STDERR_FILENO, line, static_cast<std::size_t>(length));
  static_cast<void>(written);  // nowhere left to report to
}

void print_plain(std::string_view text) noexcept {
  const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  static_cast<void>(written);  // nowhere left to report to
}

}  // namespace

void begin_fatal_end() noexcept { ending.store(true, std::memory_order_relaxed); }

void wait_for_fatal_end() noexcept {
  constexpr unsigned kMostSeconds = 10;  // stdout may be a pipe that nobody reads
  for (unsigned waited = 0; ending.load(std::memory_order_relaxed) && waited < kMostSeconds; ++waited) ::sleep(1);
}

void fail(std::string_view text) noexcept {
  begin_fatal_end();
  print("", text);
  if (*fuzz_note() != '\0') print_plain(fuzz_note());
  std::abort();
}

void misuse(std::string_view text) noexcept {
  begin_fatal_end();
  const NoPreempt hold;  // no safe point on the way: after the end of main() a fiber does not come back from one
  std::fprintf(stderr, "creel: fatal error: %.*s\n%s", static_cast<int>(text.size()), text.data(), fuzz_note());
  const Worker* worker = this_worker();
  if (worker != nullptr && worker->fiber != nullptr) {
    std::fprintf(stderr, "\n%s", describe_running(*worker->running()).c_str());
  }
  std::fflush(stderr);
  std::fflush(stdout);
  tracer::save_recording_at_end();
  std::abort();
}

void misuse_outside_fiber(const char* what, bool in_blocking) noexcept {
  char text[256];
  if (in_blocking) {
    std::snprintf(text, sizeof text, "%s was called inside creel::blocking(), where a fiber must not use creel", what);
  } else if (this_worker() == nullptr && scheduler() != nullptr) {
    std::snprintf(text, sizeof text, "%s was called on a thread that creel did not start: it needs a fiber, see creel::run_on()",
                  what);
  } else {
    std::snprintf(text, sizeof text, "%s was called outside a fiber: it works inside creel::run() only", what);
  }
  misuse(text);
}

}  // namespace creel::sched
