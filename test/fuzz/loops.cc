// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/fuzz/loops.h"

namespace creel::test {

void add_by_load_and_store(std::atomic<int>& value, int times, int pause) {
  for (int i = 0; i < times; ++i) {
    const int before = value.load(std::memory_order_relaxed);
    for (int k = 0; k < pause; ++k) asm volatile("");
    value.store(before + 1, std::memory_order_relaxed);
  }
}

}  // namespace creel::test
