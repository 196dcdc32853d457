// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The events of a trace as Go's reader tells them (`trace -d=parsed`), streamed: a trace may hold millions.
//
// The text of one event is a line "M=1 P=0 G=7 StateTransition Time=5 GoID=8 Waiting->Runnable Reason=..." and up to
// two stacks after it; each frame takes two lines. Source: Event.String of Go's internal/trace/event.go.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace creel::test {

enum class EventKind : std::uint8_t {
  kSync,
  kMetric,
  kLabel,
  kStackSample,
  kRangeBegin,
  kRangeActive,
  kRangeEnd,
  kTaskBegin,
  kTaskEnd,
  kRegionBegin,
  kRegionEnd,
  kLog,
  kStateTransition,
  kExperimental
};

// State of a goroutine or of a proc (kIdle: procs only).
enum class State : std::uint8_t { kNone, kUndetermined, kNotExist, kRunnable, kRunning, kWaiting, kSyscall, kIdle };

std::string_view to_string(EventKind kind) noexcept;
std::string_view to_string(State state) noexcept;

enum class ResourceKind : std::uint8_t { kNone, kGoroutine, kProc, kThread };

struct Frame {
  std::string function;
  std::string file;
  int line = 0;
};

// Ids are -1 where the event has none. Fields that its kind does not use keep their defaults.
struct Event {
  std::int64_t m = -1;  // who: thread, proc and goroutine it happened on
  std::int64_t p = -1;
  std::int64_t g = -1;
  EventKind kind = EventKind::kSync;
  std::int64_t time = 0;  // ns

  ResourceKind resource = ResourceKind::kNone;  // transitions and labels
  std::int64_t id = -1;                         // of the resource
  State from = State::kNone;
  State to = State::kNone;
  std::string reason;      // transitions
  std::string name;        // label, range or metric name; type of a task or region; category of a log
  std::string message;     // log; value of a metric; scope of a range
  std::int64_t task = -1;  // tasks, regions, logs
  std::int64_t parent = -1;
  std::vector<Frame> stack;             // of the acting goroutine, leaf first
  std::vector<Frame> transition_stack;  // of the resource, leaf first

  [[nodiscard]] bool is_goroutine_transition() const noexcept {
    return kind == EventKind::kStateTransition && resource == ResourceKind::kGoroutine;
  }
  [[nodiscard]] bool is_proc_transition() const noexcept {
    return kind == EventKind::kStateTransition && resource == ResourceKind::kProc;
  }
};

// Turns lines into events. Errors: std::runtime_error quoting a line it does not understand.
class EventParser {
 public:
  explicit EventParser(std::function<void(const Event&)> on_event) : on_event_(std::move(on_event)) {}
  void line(std::string_view text);
  // Hands over the last event. No line may follow.
  void finish();

 private:
  enum class Part : std::uint8_t { kNothing, kHead, kStack, kTransitionStack };

  void head(std::string_view text);
  void stack_line(std::string_view text);

  std::function<void(const Event&)> on_event_;
  Event event_;
  Part part_ = Part::kNothing;
  bool frame_open_ = false;
};

// Undoes Go's strconv.Quote. nullopt: `text` does not begin with a complete quoted string. `used`: its length with
// quotes.
std::optional<std::string> unquote(std::string_view text, std::size_t& used);

struct ReadResult {
  int exit_status = -1;
  std::string error;  // what the reader wrote to stderr
  std::size_t events = 0;
  [[nodiscard]] bool accepted() const { return exit_status == 0 && error.empty(); }
};

// Streams the events of `path` through Go's reader. Requires: find_go_trace() has a value.
ReadResult read_trace(const std::string& path, const std::function<void(const Event&)>& on_event);

// All events of a small trace. Errors: std::runtime_error with the reader's words when it rejects the file.
std::vector<Event> load_trace(const std::string& path);

}  // namespace creel::test
