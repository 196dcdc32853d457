// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/frames.h"

#include <bit>

#include "creel/tracer/format/event.h"
#include "creel/tracer/frame_name.h"
#include "creel/tracer/stack_walk.h"

namespace creel::tracer {
namespace {

// Frames of the runtime itself. Tests, benchmarks and examples are user code, whatever their namespace.
bool is_runtime(const std::string& function) noexcept {
  if (!function.starts_with("creel::")) return false;
  for (const std::string_view user : {"creel::test::", "creel::bench::", "creel::examples::"}) {
    if (function.starts_with(user)) return false;
  }
  return true;
}

// What lies between the thread's or context's first instruction and the runtime's own entry.
bool is_entry(const std::string& function) noexcept {
  for (const std::string_view entry : {"make_fcontext", "jump_fcontext", "ontop_fcontext", "trampoline", "start_thread",
                                       "clone", "clone3", "__clone", "_start", "__libc_start_main", "finish",
                                       "creel_context_main", "creel_context_start"}) {
    if (function == entry) return true;
  }
  return function.starts_with("__libc_start");
}

bool is_library(const std::string& function) noexcept {
  return function.starts_with("std::") || function.starts_with("__gnu_cxx::");
}

// A name without what debug information of an inlined lambda does not have: "main::lambda#1::lambda#2" and
// "main::lambda::lambda" are the same.
std::string unnumbered(std::string_view name) {
  std::string plain;
  for (std::size_t i = 0; i < name.size();) {
    if (name[i] == '#') {
      do ++i;
      while (i < name.size() && name[i] >= '0' && name[i] <= '9');
    } else {
      plain += name[i++];
    }
  }
  return plain;
}

bool same_function(const std::string& frame, const std::string& start) {
  return frame == start || unnumbered(frame) == unnumbered(start);
}

}  // namespace

FrameTable& frame_table() {
  static FrameTable* const instance = new FrameTable;
  return *instance;
}

Symbolizer& FrameTable::symbolizer() {
  if (symbolizer_ == nullptr) symbolizer_ = std::make_unique<Symbolizer>();
  return *symbolizer_;
}

void FrameTable::prepare() {
  std::lock_guard lock(mu_);
  symbolizer();
}

const LogicalFrame* FrameTable::frame(std::string_view function, std::string_view file, std::uint32_t line) {
  const auto cut = [](std::string_view text) {  // names and paths keep their tail
    return std::string(text.size() > format::kMaxString ? text.substr(text.size() - format::kMaxString) : text);
  };
  const std::string* f = &*texts_.insert(cut(function)).first;
  const std::string* p = &*texts_.insert(cut(file)).first;
  const std::uint64_t pc = 0x1000 + 16 * sites_.size();
  return &*sites_.insert({pc, f, p, line}).first;
}

const std::vector<const LogicalFrame*>& FrameTable::frames_at(std::uintptr_t return_address) {
  auto [it, is_new] = by_address_.try_emplace(return_address);
  if (is_new) {
    for (const SourceFrame& f : symbolizer().resolve(return_address - 1)) {  // inside the call
      it->second.push_back(frame(f.function, f.file, f.line));
    }
  }
  return it->second;
}

const LogicalFrame* FrameTable::start_frame(std::span<const std::uint64_t> key) {
  const std::string id(reinterpret_cast<const char*>(key.data()), kKeyPrefix * sizeof(std::uint64_t));
  auto [it, is_new] = starts_.try_emplace(id);
  if (is_new) {
    const auto callable = std::bit_cast<StartCallable>(static_cast<std::uintptr_t>(key[0]));
    const auto* file = reinterpret_cast<const char*>(key[1]);
    const auto* function = reinterpret_cast<const char*>(key[2]);
    std::string name;
    if (callable.is_function()) {
      name = symbolizer().function_at(callable.address());
    } else if (callable.info() != nullptr) {
      name = callable_name(*callable.info(), function);
    }
    if (name.empty()) name = shorten_function(function);
    if (name.empty()) name = "fiber";
    it->second = frame(name, file, static_cast<std::uint32_t>(key[3]));
  }
  return it->second;
}

std::string FrameTable::start_name(std::span<const std::uint64_t> key) {
  std::lock_guard lock(mu_);
  return *start_frame(key)->function;
}

void FrameTable::resolve(std::span<const std::uint64_t> key, std::vector<const LogicalFrame*>& frames) {
  std::lock_guard lock(mu_);
  frames.clear();
  const LogicalFrame* start = start_frame(key);
  for (const std::uint64_t address : key.subspan(kKeyPrefix)) {
    const auto& at = frames_at(address);
    if (at.empty()) break;  // not code: the walk went through a function without a frame pointer
    frames.insert(frames.end(), at.begin(), at.end());
  }

  // Root side: the callable's own frame is the last; without one, what is left below the runtime's entry is.
  std::size_t root = frames.size();
  while (root != 0 && !same_function(*frames[root - 1]->function, *start->function)) --root;
  if (root != 0) {
    frames.resize(root);
    if (frames.back()->function != start->function) {
      frames.back() = frame(*start->function, *frames.back()->file, frames.back()->line);
    }
  } else {
    const auto strip = [&](auto&& what) {
      while (!frames.empty() && what(*frames.back()->function)) frames.pop_back();
    };
    strip(is_entry);
    strip(is_runtime);
    strip(is_library);
    frames.push_back(start);
  }

  // Leaf side: of the runtime's frames only the one the user called.
  std::size_t leaf = 0;
  while (leaf + 1 < frames.size() && is_runtime(*frames[leaf]->function) && is_runtime(*frames[leaf + 1]->function)) {
    ++leaf;
  }
  frames.erase(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(leaf));

  if (frames.size() > format::kMaxFrames) {  // keep leaf and root
    const LogicalFrame* last = frames.back();
    frames.resize(format::kMaxFrames);
    frames.back() = last;
  }
}

}  // namespace creel::tracer
