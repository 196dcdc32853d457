// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Size used to keep independently written data apart.

#pragma once

#include <cstddef>

namespace creel::sched {

// 64 on every target we run on; std::hardware_destructive_interference_size varies with compiler flags (an ABI hazard).
inline constexpr std::size_t kCacheLine = 64;

}  // namespace creel::sched
