// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What the kernel says of another thread of this process. Any thread; some 10 us each.

#pragma once

#include <cstdint>

namespace creel::sched {

// How long the thread has run so far, in ns, up to a tick of the kernel late; < 0 where the kernel does not say.
[[nodiscard]] std::int64_t cpu_time_ns(std::uint64_t thread);

// Whether the thread has a CPU or wants one (state R), rather than being blocked in the kernel.
[[nodiscard]] bool is_runnable(std::uint64_t thread);

}  // namespace creel::sched
