// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/support/trace_summary.h"

#include <algorithm>

namespace creel::test {

void TraceSummary::event(const Event& event) {
  if (events++ == 0) first_time = event.time;
  last_time = event.time;
  switch (event.kind) {
    case EventKind::kSync:
      if (events > 1) ++generations;
      break;
    case EventKind::kLabel:
      if (event.resource == ResourceKind::kGoroutine) labels[event.id] = event.name;
      break;
    case EventKind::kTaskBegin:
      tasks[event.task] = {event.parent, event.name, false};
      break;
    case EventKind::kTaskEnd:
      tasks[event.task].ended = true;
      break;
    case EventKind::kRegionBegin:
      regions_[event.g].push_back(regions.size());
      regions.push_back({event.g, event.task, event.name, false});
      break;
    case EventKind::kRegionEnd:
      if (std::vector<std::size_t>& open = regions_[event.g]; !open.empty()) {
        regions[open.back()].ended = true;
        open.pop_back();
      }
      break;
    case EventKind::kLog:
      logs.push_back({event.task, event.name, event.message});
      break;
    case EventKind::kStateTransition:
      transition(event);
      break;
    default:
      break;
  }
}

void TraceSummary::transition(const Event& event) {
  if (event.is_proc_transition()) {
    procs.insert(event.id);
    ++proc_transitions[{event.from, event.to}];
    return;
  }
  if (!event.is_goroutine_transition()) return;
  GoroutineInfo& goroutine = goroutines[event.id];
  if (goroutine.name.empty() && !event.transition_stack.empty()) {
    goroutine.name = event.transition_stack.back().function;
  }
  if (event.from == event.to) return;  // a status at the start of a generation
  ++goroutine_transitions[{event.from, event.to}];
  if (event.from == State::kNotExist) goroutine.created = true;
  if (event.to == State::kNotExist) goroutine.ended = true;
  if (event.from == State::kRunnable && event.to == State::kRunning) ++goroutine.starts;
  if (event.from == State::kRunning) {
    if (event.to == State::kWaiting) ++blocks[event.reason];
    if (event.to == State::kRunnable) ++stops[event.reason];
    if (const auto open = running_.find(event.id); open != running_.end()) {
      Slice& slice = slices[open->second];
      slice.end = event.time;
      slice.after = event.to;
      slice.end_reason = event.reason;
      running_.erase(open);
    }
  }
  if (event.to == State::kRunning) {
    running_[event.id] = slices.size();
    slices.push_back({event.id, event.p, event.time, event.time, State::kRunning, {}});
  }
}

void TraceSummary::finish() {
  for (const auto& [goroutine, index] : running_) slices[index].end = last_time;
  running_.clear();
}

std::size_t TraceSummary::transitions(State from, State to) const {
  const auto found = goroutine_transitions.find({from, to});
  return found == goroutine_transitions.end() ? 0 : found->second;
}

std::map<std::string, std::size_t> TraceSummary::groups() const {
  std::map<std::string, std::size_t> count;
  for (const auto& [id, goroutine] : goroutines) ++count[goroutine.name];
  return count;
}

double TraceSummary::busy_share(std::int64_t proc, std::int64_t begin, std::int64_t end) const {
  if (end <= begin) return 0;
  std::int64_t busy = 0;
  for (const Slice& slice : slices) {
    if (slice.proc == proc) busy += std::max<std::int64_t>(0, std::min(end, slice.end) - std::max(begin, slice.begin));
  }
  return static_cast<double>(busy) / static_cast<double>(end - begin);
}

std::pair<std::int64_t, std::int64_t> TraceSummary::span_of(const std::string& name) const {
  std::int64_t begin = std::numeric_limits<std::int64_t>::max();
  std::int64_t end = std::numeric_limits<std::int64_t>::min();
  for (const Slice& slice : slices) {
    const auto found = goroutines.find(slice.goroutine);
    if (found == goroutines.end() || found->second.name != name) continue;
    begin = std::min(begin, slice.begin);
    end = std::max(end, slice.end);
  }
  return {begin, end};
}

TraceSummary summarise_trace(const std::string& path, ReadResult& result) {
  TraceSummary summary;
  result = read_trace(path, [&](const Event& event) { summary.event(event); });
  summary.finish();
  return summary;
}

}  // namespace creel::test
