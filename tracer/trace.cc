// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/trace.h"

#include <algorithm>
#include <atomic>

#include "creel/tracer/current.h"
#include "creel/tracer/hook.h"
#include "creel/tracer/recorder.h"

namespace creel::trace {
namespace {

using tracer::Section;
using tracer::WorkerTrace;

std::atomic<std::uint64_t> next_task{1};  // relaxed: only uniqueness counts

std::atomic<void (*)()> enter_blocking{nullptr};  // set_blocking_hooks()
std::atomic<void (*)()> leave_blocking{nullptr};

// The worker of the calling fiber while it runs on a P; null elsewhere, where annotations have no place.
WorkerTrace* annotating_worker() noexcept {
  WorkerTrace* worker = tracer::current_worker();
  if (worker == nullptr || worker->fiber == nullptr || worker->proc == nullptr) return nullptr;
  const auto status = worker->fiber->status.load(std::memory_order_relaxed);
  return status == tracer::FiberStatus::kRunning ? worker : nullptr;
}

// Emits by `emit(section)` when tracing, from a fiber. Returns whether it did.
template <typename Emit>
bool annotate(Emit&& emit) noexcept {
  if (!tracer::recording()) return false;
  WorkerTrace* worker = annotating_worker();
  if (worker == nullptr) return false;
  Section section(*worker);
  if (!section) return false;
  emit(section);
  return true;
}

std::uint64_t begin_task(std::uint64_t parent, std::string_view type) noexcept {
  const std::uint64_t id = next_task.fetch_add(1, std::memory_order_relaxed);
  annotate([&](Section& section) { section.task_begin(id, parent, type); });
  return id;
}

Session start_named(std::unique_ptr<Sink> sink, const Options& options, const std::string& what);

}  // namespace

Session& Session::operator=(Session&& other) noexcept {
  if (this != &other) {
    (void)stop();
    active_ = std::exchange(other.active_, false);
  }
  return *this;
}

Session::~Session() { (void)stop(); }

std::error_code Session::stop() {
  if (!std::exchange(active_, false)) return {};
  return trace::stop();
}

Session start(std::unique_ptr<Sink> sink, const Options& options) {
  tracer::RecorderOptions o;
  o.level = options.level;
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(24 * 365);  // sums of it and a clock do not overflow
  o.period = std::min(options.period, kLongest);
  o.max_buffered_bytes = options.max_buffered_bytes;
  o.drain_timeout = std::min(options.drain_timeout, kLongest);
  if (std::error_code error = tracer::start_recording(std::move(sink), o)) {
    if (error == std::errc::device_or_resource_busy) throw std::system_error(error, "trace already running");
    throw std::system_error(error, "cannot start a trace (level " + std::to_string(options.level) + ")");
  }
  return Session(true);
}

namespace {

Session start_named(std::unique_ptr<Sink> sink, const Options& options, const std::string& what) {
  try {
    return start(std::move(sink), options);
  } catch (const std::system_error& error) {
    std::string text = "creel::trace::start(" + what + ")";
    if (error.code() == std::errc::device_or_resource_busy) {
      text += ": a trace is being recorded already, by another start() or for CREEL_TRACE";
    } else if (error.code() == std::errc::invalid_argument) {
      text += ": level " + std::to_string(options.level) + " is not accepted: it must be 22, 23, 25 or 26";
    }
    throw std::system_error(error.code(), text);
  }
}

}  // namespace

Session start(const std::string& path, const Options& options) {
  return start_named(tracer::file_sink(path), options, "\"" + path + "\"");
}
Session start(int fd, const Options& options) {
  return start_named(tracer::fd_sink(fd), options, "fd " + std::to_string(fd));
}
Session start(std::vector<std::uint8_t>& memory, const Options& options) {
  return start_named(tracer::memory_sink(memory), options, "memory");
}
Session start(std::function<std::error_code(std::span<const std::uint8_t>)> write, const Options& options) {
  return start_named(tracer::callback_sink(std::move(write)), options, "callback");
}

std::error_code stop() {
  if (!tracer::recording()) return tracer::stop_recording();  // nothing to wait for
  // Acquire pairs with the release in set_blocking_hooks().
  const auto enter = enter_blocking.load(std::memory_order_acquire);
  const auto leave = leave_blocking.load(std::memory_order_acquire);
  if (enter != nullptr) enter();
  const std::error_code error = tracer::stop_recording();
  if (leave != nullptr) leave();
  return error;
}

bool enabled() noexcept { return tracer::recording(); }

Task::Task(std::string_view type) : id_(begin_task(0, type)) {}
Task::Task(const Task& parent, std::string_view type) : id_(begin_task(parent.id(), type)) {}

Task& Task::operator=(Task&& other) noexcept {
  if (this != &other) {
    end();
    id_ = std::exchange(other.id_, 0);
  }
  return *this;
}

void Task::end() noexcept {
  const std::uint64_t id = std::exchange(id_, 0);
  if (id != 0) annotate([&](Section& section) { section.task_end(id); });
}

Region::Region(std::string_view type) {
  if (!enabled()) return;
  type_ = type;
  open_ = annotate([&](Section& section) { section.region_begin(0, type_); });
}

Region::Region(const Task& task, std::string_view type) : task_(task.id()) {
  if (!enabled()) return;
  type_ = type;
  open_ = annotate([&](Section& section) { section.region_begin(task_, type_); });
}

void Region::end() noexcept {
  if (std::exchange(open_, false)) annotate([&](Section& section) { section.region_end(task_, type_); });
}

void log(std::string_view category, std::string_view message) {
  annotate([&](Section& section) { section.log(0, category, message); });
}

void log(const Task& task, std::string_view category, std::string_view message) {
  annotate([&](Section& section) { section.log(task.id(), category, message); });
}

void label(std::string_view name) {
  annotate([&](Section& section) { section.label(name); });
}

}  // namespace creel::trace

namespace creel::tracer {

void set_blocking_hooks(void (*enter)(), void (*leave)()) noexcept {
  trace::enter_blocking.store(enter, std::memory_order_release);
  trace::leave_blocking.store(leave, std::memory_order_release);
}

}  // namespace creel::tracer
