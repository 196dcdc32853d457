// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The system calls of net/, all of them: the one place where a test can make them fail.
//
// Each returns the call's result, or -errno. EINTR is retried inside, but for close (Linux has closed the descriptor by
// then) and connect (the attempt goes on; reported as EINPROGRESS). Those that Go brackets as syscalls in a trace are
// blocking sections here, too, so a call that takes long gives its processor away. Not inlined: errno's address belongs
// to a thread, and a fiber may leave the thread before and after each call, not inside.
//
// Thread safety: all. Caller: anyone; on a thread that runs no fiber they are plain calls. Blocking: sockets are
// non-blocking, so never for long, but for send_file (the file's pages).

#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace creel::net::sys {

enum class Call : std::uint8_t {
  kSocket, kBind, kListen, kAccept, kConnect, kRead, kWrite, kSendFile, kShutdown, kClose, kGetOption, kSetOption,
  kEpollCreate, kEpollAdd, kEpollWait, kResolve,
  // of os/ (os/sys.h); reading and writing are kRead and kWrite there, too
  kOpen, kSeek, kStatus, kTruncate, kSync, kPipe, kRename, kUnlink, kDuplicate, kSpawn, kPidFd, kWaitChild, kKill,
};

// What a test wants of the next call: fail with `error` (an errno value; 0: go through), move at most `limit` bytes.
struct Fault {
  int error = 0;
  std::size_t limit = static_cast<std::size_t>(-1);
};
using FaultHook = Fault (*)(Call call, int fd) noexcept;

// Installs a hook that is asked before every call, each retry included; null removes it. For tests: costs one load per
// call when there is none. Thread safety: any thread; calls under way may still ask the old one.
void set_fault_hook(FaultHook hook) noexcept;
// Whether there is a hook: transfers may be shorter than the kernel makes them.
[[nodiscard]] bool may_fault() noexcept;

[[nodiscard]] int socket(int family, int type, int protocol) noexcept;  // adds SOCK_NONBLOCK | SOCK_CLOEXEC
[[nodiscard]] int socket_pair(int family, int type, int fds[2]) noexcept;  // likewise
[[nodiscard]] int bind(int fd, const sockaddr* address, socklen_t size);
[[nodiscard]] int listen(int fd, int backlog);
[[nodiscard]] int accept(int fd, sockaddr* address, socklen_t* size);
[[nodiscard]] int connect(int fd, const sockaddr* address, socklen_t size);
[[nodiscard]] ssize_t recv(int fd, void* data, std::size_t size, int flags);
[[nodiscard]] ssize_t send(int fd, const void* data, std::size_t size, int flags);  // without SIGPIPE
[[nodiscard]] ssize_t recv_message(int fd, msghdr* message, int flags);
[[nodiscard]] ssize_t send_message(int fd, const msghdr* message, int flags);  // without SIGPIPE
[[nodiscard]] ssize_t send_file(int fd, int file, off_t* offset, std::size_t count);  // without SIGPIPE
[[nodiscard]] int shutdown(int fd, int how);
int close(int fd);
[[nodiscard]] int get_option(int fd, int level, int name, void* value, socklen_t* size);
[[nodiscard]] int set_option(int fd, int level, int name, const void* value, socklen_t size);
[[nodiscard]] int local_name(int fd, sockaddr* address, socklen_t* size) noexcept;
[[nodiscard]] int peer_name(int fd, sockaddr* address, socklen_t* size) noexcept;

[[nodiscard]] int epoll_create() noexcept;
[[nodiscard]] int event_fd() noexcept;
[[nodiscard]] int epoll_add(int epoll, int fd, epoll_event event) noexcept;
// Queues the present readiness of a registered descriptor again.
[[nodiscard]] int epoll_renew(int epoll, int fd, epoll_event event) noexcept;
void epoll_remove(int epoll, int fd) noexcept;
// Waits up to `timeout_ns` (< 0: without limit). EINTR is returned, so the caller can work out the time left.
[[nodiscard]] int epoll_wait(int epoll, epoll_event* events, int count, std::int64_t timeout_ns) noexcept;

// Asks the hook about a call that is made elsewhere (getaddrinfo); 0 or an errno value.
[[nodiscard]] int injected(Call call) noexcept;

}  // namespace creel::net::sys
