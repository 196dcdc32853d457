// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include <sys/resource.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "creel/sched/stack_pool.h"

namespace creel::sched {
namespace {

// First number in a file of /proc, or 0.
std::size_t read_number(const char* path) {
  std::ifstream file(path);
  std::size_t value = 0;
  return file >> value ? value : 0;
}

std::size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

}  // namespace

std::string describe_stack_error(std::error_code error, const StackPool& pool) {
  if (error == std::errc::invalid_argument) {
    return "a fiber stack cannot be larger than " + std::to_string(StackPool::kMaxSize) +
           " bytes: lower the stack size asked for";
  }
  const StackPool::Stats stats = pool.stats();
  std::string text = "cannot create a fiber stack: " + error.message() + " (" + std::to_string(stats.stacks_total) +
                     " stacks exist, " + std::to_string(stats.mapped_bytes) + " bytes of address space)";
  if (error.value() != ENOMEM) return text;

  const std::size_t limit = read_number("/proc/sys/vm/max_map_count");
  const std::size_t mappings = count_mappings();
  if (limit != 0 && mappings + 16 >= limit) {
    text += "; the process has " + std::to_string(mappings) + " memory mappings and vm.max_map_count is " +
            std::to_string(limit) + ": raise it with `sysctl -w vm.max_map_count=" + std::to_string(limit * 16) + "`";
    if (pool.guard_kind() == GuardKind::kProtect) {
      text += " (on Linux 6.13 and later guards need no mappings of their own)";
    }
    return text;
  }
  rlimit address_space{};
  if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    return text + "; RLIMIT_AS allows the process " + std::to_string(address_space.rlim_cur) +
           " bytes of address space: raise it with `ulimit -v`, or lower Options::stack_size or CREEL_STACK_SIZE";
  }
  if (read_number("/proc/sys/vm/overcommit_memory") == 2) {
    return text +
           "; vm.overcommit_memory is 2, so reserved stacks count as used memory: set it to 0 or 1, or lower "
           "Options::stack_size or CREEL_STACK_SIZE";
  }
  return text + "; lower Options::stack_size or CREEL_STACK_SIZE, or run fewer fibers at once";
}

}  // namespace creel::sched
