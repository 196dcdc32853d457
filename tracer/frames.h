// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// From interned stack keys (stack_walk.h) to the frames of a trace: symbolised once per process, then trimmed so that a
// reader sees the API function called, the user's frames, and last the fiber's start frame.
//
//   captured, leaf first                          in the trace
//   creel::tracer::current_stack                  -
//   creel::tracer::Section::fiber_block           -
//   creel::sched::park                            -
//   creel::Channel::send                          creel::Channel::send
//   produce                                       produce
//   main::lambda#1                                main::lambda#1          (start frame)
//   std::__invoke, creel::sched::run_fiber, ...   -
//
// Invariants:
//  1. Each logical frame (function, file, line) has its own synthetic pc, the same for the whole process: readers key
//     frames by pc, and inlined frames share a machine pc.
//  2. Every stack of a fiber ends in a frame with exactly its start name: it groups the fibers.
// Thread safety: all functions (one lock). Blocking: while debug information is read.

#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "creel/tracer/symbolize.h"

namespace creel::tracer {

struct LogicalFrame {
  std::uint64_t pc;
  const std::string* function;
  const std::string* file;
  std::uint32_t line;
};

class FrameTable {
 public:
  // Opens the debug information of the process, once.
  void prepare();
  // The frames of the stack with this key, leaf first, at most kMaxFrames.
  void resolve(std::span<const std::uint64_t> key, std::vector<const LogicalFrame*>& frames);
  // The name of the start frame for a key's first words.
  [[nodiscard]] std::string start_name(std::span<const std::uint64_t> key);

 private:
  struct SiteHash {
    std::size_t operator()(const LogicalFrame& f) const noexcept {
      return std::hash<const void*>()(f.function) * 31 + std::hash<const void*>()(f.file) * 7 + f.line;
    }
    // Identity is the place; the pc only numbers it.
    bool operator()(const LogicalFrame& a, const LogicalFrame& b) const noexcept {
      return a.function == b.function && a.file == b.file && a.line == b.line;
    }
  };

  Symbolizer& symbolizer();
  const LogicalFrame* frame(std::string_view function, std::string_view file, std::uint32_t line);
  const std::vector<const LogicalFrame*>& frames_at(std::uintptr_t return_address);
  const LogicalFrame* start_frame(std::span<const std::uint64_t> key);

  std::mutex mu_;  // guards all below
  std::unique_ptr<Symbolizer> symbolizer_;
  std::unordered_set<std::string> texts_;  // node-based: addresses stay
  std::unordered_set<LogicalFrame, SiteHash, SiteHash> sites_;
  std::unordered_map<std::uintptr_t, std::vector<const LogicalFrame*>> by_address_;
  std::unordered_map<std::string, const LogicalFrame*> starts_;  // by the key's first words
};

// The process's table. Never destroyed: a writer left behind may use it.
FrameTable& frame_table();

}  // namespace creel::tracer
