// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include <fstream>
#include <string>

#include "creel/sched/platform/thread_state.h"

namespace creel::sched {

std::int64_t cpu_time_ns(std::uint64_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/schedstat");
  std::int64_t ran = 0;
  return file >> ran ? ran : -1;
}

bool is_runnable(std::uint64_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  return name_end != std::string::npos && name_end + 2 < line.size() && line[name_end + 2] == 'R';
}

}  // namespace creel::sched
