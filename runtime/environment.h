// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Options completed from the environment, checked.

#pragma once

#include <string>

#include "creel/runtime/options.h"
#include "creel/sched/config.h"

namespace creel::runtime {

struct Settings {
  sched::Config config;
  std::string trace;
  std::string log_level;
};

// Merges and checks. On a bad value `error` names the variable or field, the value and what is accepted, and false is
// returned. Thread safety: reads the environment; not while another thread changes it.
[[nodiscard]] bool resolve(const Options& options, Settings& settings, std::string& error);

}  // namespace creel::runtime
