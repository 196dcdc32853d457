// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The number of processors (GOMAXPROCS).

#pragma once

#include <cstdint>

namespace creel::sched {

// Processors in use; 0 outside run().
[[nodiscard]] std::uint32_t processor_count();

// Sets the number; returns the one before. Errors: std::invalid_argument outside 1 .. kMaxProcs. Caller: a fiber.
// Blocking: never; surplus processors are given up when their fibers reach a safe point.
std::uint32_t change_processor_count(std::uint32_t count);

}  // namespace creel::sched
