// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Functions compiled with creel_preempt_loops(): they call nothing of creel's.

#pragma once

#include <atomic>
#include <cstdint>

namespace creel::test {

// Counts until `flag` is set; returns how far it came.
std::uint64_t loop_until(const std::atomic<bool>& flag);

}  // namespace creel::test
