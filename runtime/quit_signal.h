// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// SIGQUIT (Ctrl-\): a dump of all fibers, then the end of the process with status 2, as in Go. Works in release builds and when
// every worker is stuck in a loop or a call.

#pragma once

namespace creel::runtime {

// Handles the signal while it lives, if `wanted` and if nobody else does: a handler, or SIG_IGN, from before stays.
// A second SIGQUIT while the dump is being written has the default action.
class QuitSignal {
 public:
  explicit QuitSignal(bool wanted) noexcept;
  // Puts the default action back. A signal that came too late for a dump has that action now.
  ~QuitSignal();
  QuitSignal(const QuitSignal&) = delete;
  QuitSignal& operator=(const QuitSignal&) = delete;

 private:
  bool installed_ = false;
};

}  // namespace creel::runtime
