// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Reports for what ends the process inside a fiber: an uncaught exception, a stack overflow.

#pragma once

#include <exception>

namespace creel::runtime {

// Installed while a runtime runs; the previous handlers are restored after it.
class FatalHandlers {
 public:
  FatalHandlers();
  ~FatalHandlers();
  FatalHandlers(const FatalHandlers&) = delete;
  FatalHandlers& operator=(const FatalHandlers&) = delete;

 private:
  std::terminate_handler previous_;
};

}  // namespace creel::runtime
