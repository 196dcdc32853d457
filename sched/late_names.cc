// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/late_names.h"

#include <atomic>
#include <ctime>
#include <span>
#include <string>
#include <vector>

#include "creel/sched/dump.h"
#include "creel/sched/scheduler.h"
#include "creel/tracer/stack_walk.h"

namespace creel::sched {
namespace {

// Passes the request to and fro; release and acquire: with what is in it.
enum class State : std::uint32_t { kNone, kAsked, kBeingWritten, kWritten };
std::atomic<State> state{State::kNone};
OverflowFrames asked;
const Fiber* of = nullptr;

// Whether the state left `from` in so many milliseconds, or a little more.
bool wait_while(State from, int milliseconds) noexcept {
  for (int waited = 0; waited < milliseconds; ++waited) {
    if (state.load(std::memory_order_acquire) != from) return true;
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  return false;
}

// Innermost first; the last one is the fiber's start frame.
std::vector<std::string> frames_at(const tracer::StackKey& start, std::span<const std::uintptr_t> addresses) {
  tracer::StackKey key = start;
  for (const std::uintptr_t address : addresses) key.words[key.size++] = address;
  return describe_frames(key.span());
}

}  // namespace

bool write_names(const OverflowFrames& frames) noexcept {
  Worker* worker = this_worker();
  if (worker == nullptr || worker->fiber == nullptr) return false;
  asked = frames;
  of = worker->running();
  state.store(State::kAsked, std::memory_order_release);
  wake_monitor(worker->scheduler);
  if (!wait_while(State::kAsked, 3000)) {
    State expected = State::kAsked;
    if (state.compare_exchange_strong(expected, State::kNone, std::memory_order_acq_rel)) return false;
  }
  const bool written = wait_while(State::kBeingWritten, 10'000);
  if (written) state.store(State::kNone, std::memory_order_relaxed);
  return written;
}

void serve_names() {
  State expected = State::kAsked;
  if (state.load(std::memory_order_relaxed) != expected) return;
  if (!state.compare_exchange_strong(expected, State::kBeingWritten, std::memory_order_acq_rel)) return;
  tracer::StackKey start;
  tracer::start_stack(*of, start);
  std::vector<std::string> frames = frames_at(start, {asked.first.data(), asked.first_count});
  if (asked.last_count != 0) {
    frames.pop_back();
    if (asked.left_out != 0) frames.push_back("    ... " + std::to_string(asked.left_out) + " frames\n");
    const std::vector<std::string> last = frames_at(start, {asked.last.data(), asked.last_count});
    frames.insert(frames.end(), last.begin(), last.end());
  }
  std::string text;
  for (const std::string& frame : frames) text += frame;
  write_stderr(text);
  state.store(State::kWritten, std::memory_order_release);
}

}  // namespace creel::sched
