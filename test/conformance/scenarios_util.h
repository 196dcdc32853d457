// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The programs of the differential test, on creel: twins of go/scenarios.go, under the same names, line for line.

#pragma once

#include <ostream>
#include <span>
#include <string_view>

namespace creel::test {

struct Scenario {
  std::string_view name;
  void (*run)();                 // on a fiber, one processor; joins all it starts
  void (*prepare)() = nullptr;   // on a fiber, before the first round
  bool is_long = false;          // takes a tenth of a second: few rounds
  bool may_preempt = false;      // stops with reason "preempted" belong to it; elsewhere they disturb
  bool loses_processor = false;  // a syscall's loss of its processor belongs to it; elsewhere it disturbs
  bool any_order = false;        // the order of running is not compared (README.md says why)
  bool any_syscalls = false;     // nor are system calls (likewise)
};

// Names the test case; without it gtest prints addresses, which differ between runs.
inline std::ostream& operator<<(std::ostream& out, const Scenario& scenario) { return out << scenario.name; }

// All scenarios, in the order of the Go side.
std::span<const Scenario> scenarios();

// Parts of it, by file.
std::span<const Scenario> channel_scenarios();  // scenarios_channel_util.cc
std::span<const Scenario> sync_scenarios();     // scenarios_sync_util.cc
std::span<const Scenario> context_scenarios();  // scenarios_context_util.cc
std::span<const Scenario> sched_scenarios();    // scenarios_sched_util.cc
std::span<const Scenario> net_scenarios();      // scenarios_net_util.cc
std::span<const Scenario> os_scenarios();       // scenarios_os_util.cc

}  // namespace creel::test
