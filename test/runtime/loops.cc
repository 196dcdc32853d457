// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/runtime/loops.h"

namespace creel::test {

std::uint64_t loop_until(const std::atomic<bool>& flag) {
  std::uint64_t rounds = 0;
  while (!flag.load(std::memory_order_acquire)) ++rounds;
  return rounds;
}

}  // namespace creel::test
