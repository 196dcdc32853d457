// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Code addresses of this process to logical frames (inlined calls included), with libdw where there is debug
// information, else with the ELF symbol tables.
//
// Thread safety: none; the owner serialises. Blocking: reads debug information, some ms per compilation unit at its
// first use.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace creel::tracer {

struct SourceFrame {
  std::string function;  // short name (frame_name.h)
  std::string file;
  std::uint32_t line = 0;
};

class Symbolizer {
 public:
  Symbolizer();
  ~Symbolizer();
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;

  // Frames at `pc`, innermost first; empty when no symbol covers it.
  [[nodiscard]] std::vector<SourceFrame> resolve(std::uintptr_t pc);
  // Name of the function that starts at `address`, or "".
  [[nodiscard]] std::string function_at(std::uintptr_t address);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace creel::tracer
