// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Code without any call of creel's, compiled with safe points on the edges of its control flow.

#pragma once

#include <atomic>

namespace creel::test {

// Adds one `times` times, by a load and a store with a loop of `pause` rounds between: updates get lost when fibers take turns there.
void add_by_load_and_store(std::atomic<int>& value, int times, int pause);

}  // namespace creel::test
