// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/os/sys.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "creel/net/pipe_signal.h"
#include "creel/net/sys_call.h"

namespace creel::os::sys {

using net::sys::Call;
using net::sys::repeat;
using net::sys::traced;

namespace {

constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

ssize_t read_limited(int fd, const iovec* vectors, std::size_t count, std::size_t limit) noexcept {
  if (count == 1 || limit != kNoLimit) return ::read(fd, vectors->iov_base, std::min(vectors->iov_len, limit));
  return ::readv(fd, vectors, static_cast<int>(count));
}

ssize_t write_limited(int fd, const iovec* vectors, std::size_t count, std::size_t limit) noexcept {
  if (count == 1 || limit != kNoLimit) return ::write(fd, vectors->iov_base, std::min(vectors->iov_len, limit));
  return ::writev(fd, vectors, static_cast<int>(count));
}

std::size_t size_of(const iovec* vectors, std::size_t count) noexcept {
  std::size_t size = 0;
  for (std::size_t i = 0; i < count; ++i) size += vectors[i].iov_len;
  return size;
}

}  // namespace

[[gnu::noinline]] int open(const char* path, int flags, mode_t mode) {
  return static_cast<int>(
      traced(Call::kOpen, -1, [&](std::size_t) { return ::open(path, flags | O_CLOEXEC, mode); }));
}

[[gnu::noinline]] ssize_t read(int fd, const iovec* vectors, std::size_t count) {
  return traced(Call::kRead, fd, [&](std::size_t limit) { return read_limited(fd, vectors, count, limit); });
}

[[gnu::noinline]] ssize_t write(int fd, const iovec* vectors, std::size_t count) {
  return traced(Call::kWrite, fd, [&](std::size_t limit) { return write_limited(fd, vectors, count, limit); });
}

[[gnu::noinline]] ssize_t write_quietly(int fd, const iovec* vectors, std::size_t count) {
  return traced(Call::kWrite, fd, [&](std::size_t limit) {
    const std::size_t size = std::min(size_of(vectors, count), limit);
    return net::sys::without_pipe_signal(size, [&] { return write_limited(fd, vectors, count, limit); });
  });
}

[[gnu::noinline]] ssize_t read_at(int fd, void* data, std::size_t size, std::int64_t offset) {
  return traced(Call::kRead, fd,
                [&](std::size_t limit) { return ::pread(fd, data, std::min(size, limit), offset); });
}

[[gnu::noinline]] ssize_t write_at(int fd, const void* data, std::size_t size, std::int64_t offset) {
  return traced(Call::kWrite, fd,
                [&](std::size_t limit) { return ::pwrite(fd, data, std::min(size, limit), offset); });
}

[[gnu::noinline]] std::int64_t seek(int fd, std::int64_t offset, int whence) {
  return traced(Call::kSeek, fd, [&](std::size_t) { return ::lseek(fd, offset, whence); });
}

[[gnu::noinline]] int status(int fd, struct ::stat& status) {
  return static_cast<int>(traced(Call::kStatus, fd, [&](std::size_t) { return ::fstat(fd, &status); }));
}

[[gnu::noinline]] int truncate(int fd, std::int64_t size) {
  return static_cast<int>(traced(Call::kTruncate, fd, [&](std::size_t) { return ::ftruncate(fd, size); }));
}

[[gnu::noinline]] int sync(int fd) {
  return static_cast<int>(traced(Call::kSync, fd, [&](std::size_t) { return ::fsync(fd); }));
}

[[gnu::noinline]] int sync_data(int fd) {
  return static_cast<int>(traced(Call::kSync, fd, [&](std::size_t) { return ::fdatasync(fd); }));
}

[[gnu::noinline]] int rename(const char* from, const char* to) {
  return static_cast<int>(traced(Call::kRename, -1, [&](std::size_t) { return ::rename(from, to); }));
}

[[gnu::noinline]] int unlink(const char* path) {
  return static_cast<int>(traced(Call::kUnlink, -1, [&](std::size_t) { return ::unlink(path); }));
}

[[gnu::noinline]] int pipe(int fds[2]) noexcept {
  return static_cast<int>(repeat(Call::kPipe, -1, [&](std::size_t) { return ::pipe2(fds, O_CLOEXEC); }));
}

[[gnu::noinline]] int event_fd() noexcept {
  return static_cast<int>(
      repeat(Call::kPipe, -1, [](std::size_t) { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }));
}

[[gnu::noinline]] int duplicate(int fd, int least) noexcept {
  return static_cast<int>(
      repeat(Call::kDuplicate, fd, [&](std::size_t) { return ::fcntl(fd, F_DUPFD_CLOEXEC, least); }));
}

[[gnu::noinline]] int is_non_blocking(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags < 0 ? -errno : (flags & O_NONBLOCK) != 0;
}

[[gnu::noinline]] int set_non_blocking(int fd, bool on) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return wanted == flags || ::fcntl(fd, F_SETFL, wanted) == 0 ? 0 : -errno;
}

[[gnu::noinline]] int spawn(pid_t& pid, const char* program, const posix_spawn_file_actions_t& actions,
                            char* const* argv, char* const* environment) {
  sched::BlockingSection section;
  const int error = net::sys::ask(Call::kSpawn, -1).error;
  return error != 0 ? -error : -::posix_spawnp(&pid, program, &actions, nullptr, argv, environment);
}

[[gnu::noinline]] int pid_fd(pid_t pid) noexcept {
  // O_CLOEXEC is always set. PIDFD_NONBLOCK is not needed: it is only polled.
  return static_cast<int>(repeat(Call::kPidFd, -1, [&](std::size_t) -> long {
#ifdef SYS_pidfd_open
    return ::syscall(SYS_pidfd_open, pid, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
  }));
}

[[gnu::noinline]] int wait_child(pid_t pid, siginfo_t& info, int flags) {
  return static_cast<int>(traced(Call::kWaitChild, -1, [&](std::size_t) {
    info.si_pid = 0;
    const int result = ::waitid(P_PID, static_cast<id_t>(pid), &info, flags | WEXITED);
    return result == 0 && info.si_pid == pid ? 1 : result;
  }));
}

[[gnu::noinline]] int kill(pid_t pid, int signal) noexcept {
  return static_cast<int>(repeat(Call::kKill, -1, [&](std::size_t) { return ::kill(pid, signal); }));
}

}  // namespace creel::os::sys
