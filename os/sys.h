// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The system calls of os/: as those of net/sys.h, with the same hook by which a test makes them fail.
//
// Each returns the call's result, or -errno; EINTR is retried inside. All that may take long are blocking sections.
// Thread safety: all. Caller: anyone; on a thread that runs no fiber they are plain calls.

#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "creel/net/sys.h"

namespace creel::os::sys {

using net::sys::close;

[[nodiscard]] int open(const char* path, int flags, mode_t mode);  // adds O_CLOEXEC
[[nodiscard]] ssize_t read(int fd, const iovec* vectors, std::size_t count);
[[nodiscard]] ssize_t write(int fd, const iovec* vectors, std::size_t count);
// write() to what may be a pipe without a reader: EPIPE, and no SIGPIPE.
[[nodiscard]] ssize_t write_quietly(int fd, const iovec* vectors, std::size_t count);
[[nodiscard]] ssize_t read_at(int fd, void* data, std::size_t size, std::int64_t offset);
[[nodiscard]] ssize_t write_at(int fd, const void* data, std::size_t size, std::int64_t offset);
[[nodiscard]] std::int64_t seek(int fd, std::int64_t offset, int whence);
[[nodiscard]] int status(int fd, struct ::stat& status);
[[nodiscard]] int truncate(int fd, std::int64_t size);
[[nodiscard]] int sync(int fd);
[[nodiscard]] int sync_data(int fd);
[[nodiscard]] int rename(const char* from, const char* to);
int unlink(const char* path);

[[nodiscard]] int pipe(int fds[2]) noexcept;  // O_CLOEXEC, blocking
[[nodiscard]] int event_fd() noexcept;        // O_CLOEXEC, non-blocking
// A copy of the number, O_CLOEXEC, at least `least`.
[[nodiscard]] int duplicate(int fd, int least = 0) noexcept;
[[nodiscard]] int is_non_blocking(int fd) noexcept;  // 1, 0 or -errno
[[nodiscard]] int set_non_blocking(int fd, bool on) noexcept;

// posix_spawnp(3). 0 or -errno.
[[nodiscard]] int spawn(pid_t& pid, const char* program, const posix_spawn_file_actions_t& actions, char* const* argv,
                        char* const* environment);
// A descriptor that is readable once the child has ended. -ENOSYS before Linux 5.3.
[[nodiscard]] int pid_fd(pid_t pid) noexcept;
// waitid(2) for one child. 1: it has ended, `info` is set; 0: not yet (only with WNOHANG).
[[nodiscard]] int wait_child(pid_t pid, siginfo_t& info, int flags);
[[nodiscard]] int kill(pid_t pid, int signal) noexcept;

}  // namespace creel::os::sys
