// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Writing to what nobody reads any more: EPIPE, without the signal that goes with it.
//
// Sockets have MSG_NOSIGNAL; sendfile(), and write() to a pipe, have not. The signal is the thread's own, so it is
// blocked around the call and taken off afterwards. Costs two system calls, three after a short write. Only for files
// of calls that are not inlined (sys_call.h). Thread safety: all.

#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <ctime>

namespace creel::net::sys {

// `call()`, the bytes moved or -1 and errno, without SIGPIPE; errno is kept. `size`: what it is to move. The thread
// does not change inside.
template <typename F>
[[nodiscard]] inline ssize_t without_pipe_signal(std::size_t size, F call) noexcept {
  sigset_t pipe;
  sigset_t before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const ssize_t result = call();
  const int error = errno;
  // Else it was blocked before, and stays as it would have stayed.
  if (sigismember(&before, SIGPIPE) != 1) {
    // A call that was broken in the middle tells what it had moved, and raises the signal all the same.
    const bool raised = result < 0 ? error == EPIPE : static_cast<std::size_t>(result) < size;
    const timespec at_once{0, 0};
    while (raised && ::sigtimedwait(&pipe, nullptr, &at_once) < 0 && errno == EINTR) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  errno = error;
  return result;
}

}  // namespace creel::net::sys
