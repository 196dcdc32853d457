// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Counts and intervals of a trace, gathered while it streams by: what tests ask of a trace.
//
// Thread safety: one TraceSummary, one thread. Memory: some hundred bytes per goroutine, 40 per running interval.

#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "test/support/trace_event.h"

namespace creel::test {

// A goroutine running on a proc without interruption. `end_reason`: of the stop or block that ended it, else "".
struct Slice {
  std::int64_t goroutine;
  std::int64_t proc;
  std::int64_t begin;  // ns
  std::int64_t end;
  State after;  // what the goroutine was then; kRunning: the trace ended
  std::string end_reason;
};

struct GoroutineInfo {
  // As the tools name it: the root frame of the first non-empty transition stack. Grouping is by this text.
  std::string name;
  bool created = false;  // its creation is in the trace
  bool ended = false;
  std::uint32_t starts = 0;  // Runnable->Running
};

struct TaskInfo {
  std::int64_t parent = 0;
  std::string type;
  bool ended = false;
};

struct RegionInfo {
  std::int64_t goroutine = -1;
  std::int64_t task = 0;
  std::string type;
  bool ended = false;
};

struct LogInfo {
  std::int64_t task = 0;
  std::string category;
  std::string message;
};

class TraceSummary {
 public:
  void event(const Event& event);
  // Closes the open intervals. Call once, after the last event.
  void finish();

  std::size_t events = 0;
  std::size_t generations = 0;  // Sync events less the closing one
  std::int64_t first_time = 0;
  std::int64_t last_time = 0;
  std::map<std::pair<State, State>, std::size_t> goroutine_transitions;
  std::map<std::pair<State, State>, std::size_t> proc_transitions;
  std::map<std::string, std::size_t> blocks;  // Running->Waiting, by reason
  std::map<std::string, std::size_t> stops;   // Running->Runnable, by reason
  std::unordered_map<std::int64_t, GoroutineInfo> goroutines;
  std::vector<Slice> slices;
  std::set<std::int64_t> procs;
  std::map<std::int64_t, std::string> labels;  // by goroutine, the last one
  std::map<std::int64_t, TaskInfo> tasks;
  std::vector<RegionInfo> regions;  // in order of their begin
  std::vector<LogInfo> logs;

  [[nodiscard]] std::size_t transitions(State from, State to) const;
  // How many goroutines each name has.
  [[nodiscard]] std::map<std::string, std::size_t> groups() const;
  // Share of [begin, end) in which some goroutine ran on `proc`.
  [[nodiscard]] double busy_share(std::int64_t proc, std::int64_t begin, std::int64_t end) const;
  // Smallest interval that holds all slices of goroutines of this name.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> span_of(const std::string& name) const;

 private:
  void transition(const Event& event);

  std::unordered_map<std::int64_t, std::size_t> running_;               // goroutine -> index of its open slice
  std::unordered_map<std::int64_t, std::vector<std::size_t>> regions_;  // goroutine -> indices of open regions
};

// Reads and summarises `path`. `result`: the reader's verdict.
TraceSummary summarise_trace(const std::string& path, ReadResult& result);

}  // namespace creel::test
