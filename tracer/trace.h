// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The tracing API for users: record a trace, annotate it with tasks, regions, logs and labels.
//
//   creel::trace::Session session = creel::trace::start("trace.out");
//   creel::trace::Task task("load");
//   { creel::trace::Region region(task, "read"); ... }
//
// Open the file with `go tool trace trace.out`. Annotations made outside a fiber, or while tracing is off, do nothing.
// Thread safety: all functions may be called from any fiber or thread. Blocking: start() and stop() block the calling
// thread for milliseconds (stop() until the sink has taken the data), all else never blocks.
// Source: Go's package runtime/trace.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "creel/tracer/sink.h"

namespace creel::trace {

using Sink = tracer::Sink;

struct Options {
  int level = 23;  // header level (22, 23, 25, 26): the oldest Go that must open the file
  std::chrono::nanoseconds period = std::chrono::seconds(1);  // generation period; a crash costs at most one generation
  std::size_t max_buffered_bytes = std::size_t{256} << 20;    // data waiting for a slow sink; more ends the trace
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(10);  // how long stop() waits for the sink
};

// Owns a running trace: stops it at scope end. Movable.
class [[nodiscard]] Session {
 public:
  Session() noexcept = default;
  Session(Session&& other) noexcept : active_(std::exchange(other.active_, false)) {}
  Session& operator=(Session&& other) noexcept;
  ~Session();
  // Stops the trace and returns the first error of the sink, as trace::stop(). A second call does nothing.
  std::error_code stop();
  [[nodiscard]] bool active() const noexcept { return active_; }

 private:
  friend Session start(std::unique_ptr<Sink>, const Options&);
  explicit Session(bool active) noexcept : active_(active) {}
  bool active_ = false;
};

// Start a trace into a file, a descriptor (stays the caller's), memory, a callback or any sink.
// Errors: std::system_error naming what was given (path, level): already tracing (device_or_resource_busy), cannot open.
Session start(const std::string& path, const Options& options = {});
Session start(int fd, const Options& options = {});
Session start(std::vector<std::uint8_t>& memory, const Options& options = {});
Session start(std::function<std::error_code(std::span<const std::uint8_t>)> write, const Options& options = {});
Session start(std::unique_ptr<Sink> sink, const Options& options = {});

// Ends the trace, whoever started it. Returns the first error the sink gave, {} if none or if nothing was traced.
std::error_code stop();
// Whether a trace is being recorded.
[[nodiscard]] bool enabled() noexcept;

// A logical operation that may span fibers, e.g. one request. Ended by end() or the destructor, on any fiber.
class Task {
 public:
  explicit Task(std::string_view type);
  Task(const Task& parent, std::string_view type);
  Task(Task&& other) noexcept : id_(std::exchange(other.id_, 0)) {}
  Task& operator=(Task&& other) noexcept;
  ~Task() { end(); }
  void end() noexcept;  // a second call does nothing
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }  // 0 after end()

 private:
  std::uint64_t id_ = 0;
};

// A part of one fiber's work, strictly nested. Belongs to the fiber, which may change threads inside.
// Begun while tracing is off, it emits nothing at its end either.
class Region {
 public:
  explicit Region(std::string_view type);  // of the background task
  Region(const Task& task, std::string_view type);
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region() { end(); }
  void end() noexcept;  // a second call does nothing

 private:
  std::uint64_t task_ = 0;
  std::string type_;
  bool open_ = false;
};

template <typename F>
decltype(auto) with_region(std::string_view type, F&& f) {
  Region region(type);
  return std::forward<F>(f)();
}
template <typename F>
decltype(auto) with_region(const Task& task, std::string_view type, F&& f) {
  Region region(task, type);
  return std::forward<F>(f)();
}

// A message at this moment. Texts over 1024 bytes are cut.
void log(std::string_view category, std::string_view message);
void log(const Task& task, std::string_view category, std::string_view message);
// Formats only when tracing: `message` is called for the text.
template <typename F>
  requires std::is_invocable_r_v<std::string, F>
void log(const Task& task, std::string_view category, F&& message) {
  if (enabled()) log(task, category, std::string_view(std::string(std::forward<F>(message)())));
}

// Shows `name` beside the current fiber in the views, until replaced.
void label(std::string_view name);

}  // namespace creel::trace
