// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Reads of memory that may be unmapped, for reports.

#pragma once

#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace creel::sched {

// Copies memory of this process. False, not a fault, where there is none, or where the system call is not allowed.
// Unsynchronised: the bytes may be of several moments. Any thread.
[[nodiscard]] inline bool copy_memory(std::uintptr_t from, void* to, std::size_t bytes) noexcept {
  const iovec local{to, bytes};
  const iovec remote{reinterpret_cast<void*>(from), bytes};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes);
}

}  // namespace creel::sched
