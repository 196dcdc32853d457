// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// How a system call is made: the fault hook is asked, EINTR is repeated, the result is a number or -errno.
//
// Only for files of calls that are not inlined (sys.cc and its like): errno's address belongs to a thread.
// Thread safety: all.

#pragma once

#include <sys/types.h>

#include <cerrno>

#include "creel/net/sys.h"
#include "creel/sched/blocking.h"

namespace creel::net::sys {

// What the hook wants of this call.
[[nodiscard]] Fault ask(Call call, int fd) noexcept;

// Result or -errno of `f(limit)`, repeated on EINTR. The thread does not change inside.
template <typename F>
[[nodiscard]] inline ssize_t repeat(Call call, int fd, F f) noexcept {
  for (;;) {
    const Fault fault = ask(call, fd);
    if (fault.error == EINTR) continue;
    if (fault.error != 0) return -fault.error;
    const ssize_t result = f(fault.limit);
    if (result >= 0) return result;
    const int error = errno;
    if (error != EINTR) return -error;
  }
}

// The same as a blocking section of its own.
template <typename F>
[[nodiscard]] inline ssize_t traced(Call call, int fd, F f) {
  sched::BlockingSection section;
  return repeat(call, fd, f);
}

}  // namespace creel::net::sys
