// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/sys.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>

#include "creel/net/pipe_signal.h"
#include "creel/net/sys_call.h"
#include "creel/sched/blocking.h"

namespace creel::net::sys {
namespace {

std::atomic<FaultHook> fault_hook{nullptr};  // release/acquire: what the test set up before is seen by the hook

// A message of which only the first `limit` bytes are moved.
class LimitedMessage {
 public:
  LimitedMessage(const msghdr& message, std::size_t limit) noexcept : message_(message) {
    std::size_t count = 0;
    for (; count < std::min<std::size_t>(message.msg_iovlen, kMost) && limit > 0; ++count) {
      vectors_[count] = message.msg_iov[count];
      vectors_[count].iov_len = std::min(vectors_[count].iov_len, limit);
      limit -= vectors_[count].iov_len;
    }
    message_.msg_iov = vectors_;
    message_.msg_iovlen = count;
  }
  msghdr* get() noexcept { return &message_; }

 private:
  static constexpr std::size_t kMost = 64;
  msghdr message_;
  iovec vectors_[kMost];
};

constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

}  // namespace

Fault ask(Call call, int fd) noexcept {
  const FaultHook hook = fault_hook.load(std::memory_order_acquire);
  if (hook == nullptr) [[likely]] return {};
  return hook(call, fd);
}

void set_fault_hook(FaultHook hook) noexcept { fault_hook.store(hook, std::memory_order_release); }

bool may_fault() noexcept { return fault_hook.load(std::memory_order_relaxed) != nullptr; }

int injected(Call call) noexcept { return ask(call, -1).error; }

[[gnu::noinline]] int socket(int family, int type, int protocol) noexcept {
  return static_cast<int>(repeat(Call::kSocket, -1, [&](std::size_t) {
    return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  }));
}

[[gnu::noinline]] int socket_pair(int family, int type, int fds[2]) noexcept {
  return static_cast<int>(repeat(Call::kSocket, -1, [&](std::size_t) {
    return ::socketpair(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
  }));
}

[[gnu::noinline]] int bind(int fd, const sockaddr* address, socklen_t size) {
  return static_cast<int>(traced(Call::kBind, fd, [&](std::size_t) { return ::bind(fd, address, size); }));
}

[[gnu::noinline]] int listen(int fd, int backlog) {
  return static_cast<int>(traced(Call::kListen, fd, [&](std::size_t) { return ::listen(fd, backlog); }));
}

[[gnu::noinline]] int accept(int fd, sockaddr* address, socklen_t* size) {
  return static_cast<int>(traced(Call::kAccept, fd, [&](std::size_t) {
    return ::accept4(fd, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  }));
}

[[gnu::noinline]] int connect(int fd, const sockaddr* address, socklen_t size) {
  sched::BlockingSection section;
  const Fault fault = ask(Call::kConnect, fd);
  if (fault.error != 0 && fault.error != EINTR) return -fault.error;
  if (::connect(fd, address, size) == 0) return fault.error == EINTR ? -EINPROGRESS : 0;
  const int error = errno;
  return error == EINTR ? -EINPROGRESS : -error;
}

[[gnu::noinline]] ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  return traced(Call::kRead, fd, [&](std::size_t limit) { return ::recv(fd, data, std::min(size, limit), flags); });
}

[[gnu::noinline]] ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  return traced(Call::kWrite, fd,
                [&](std::size_t limit) { return ::send(fd, data, std::min(size, limit), flags | MSG_NOSIGNAL); });
}

[[gnu::noinline]] ssize_t recv_message(int fd, msghdr* message, int flags) {
  return traced(Call::kRead, fd, [&](std::size_t limit) {
    if (limit == kNoLimit) [[likely]] return ::recvmsg(fd, message, flags);
    LimitedMessage limited(*message, limit);
    const ssize_t got = ::recvmsg(fd, limited.get(), flags);
    message->msg_namelen = limited.get()->msg_namelen;
    message->msg_flags = limited.get()->msg_flags;
    return got;
  });
}

[[gnu::noinline]] ssize_t send_message(int fd, const msghdr* message, int flags) {
  return traced(Call::kWrite, fd, [&](std::size_t limit) {
    if (limit == kNoLimit) [[likely]] return ::sendmsg(fd, message, flags | MSG_NOSIGNAL);
    LimitedMessage limited(*message, limit);
    return ::sendmsg(fd, limited.get(), flags | MSG_NOSIGNAL);
  });
}

[[gnu::noinline]] ssize_t send_file(int fd, int file, off_t* offset, std::size_t count) {
  return traced(Call::kSendFile, fd, [&](std::size_t limit) {
    const std::size_t size = std::min(count, limit);
    return without_pipe_signal(size, [&] { return ::sendfile(fd, file, offset, size); });
  });
}

[[gnu::noinline]] int shutdown(int fd, int how) {
  return static_cast<int>(traced(Call::kShutdown, fd, [&](std::size_t) { return ::shutdown(fd, how); }));
}

[[gnu::noinline]] int close(int fd) {
  sched::BlockingSection section;
  const int error = ask(Call::kClose, fd).error;
  if (::close(fd) != 0) return -errno;
  return -error;
}

[[gnu::noinline]] int get_option(int fd, int level, int name, void* value, socklen_t* size) {
  return static_cast<int>(
      traced(Call::kGetOption, fd, [&](std::size_t) { return ::getsockopt(fd, level, name, value, size); }));
}

[[gnu::noinline]] int set_option(int fd, int level, int name, const void* value, socklen_t size) {
  return static_cast<int>(
      traced(Call::kSetOption, fd, [&](std::size_t) { return ::setsockopt(fd, level, name, value, size); }));
}

[[gnu::noinline]] int local_name(int fd, sockaddr* address, socklen_t* size) noexcept {
  return ::getsockname(fd, address, size) == 0 ? 0 : -errno;
}

[[gnu::noinline]] int peer_name(int fd, sockaddr* address, socklen_t* size) noexcept {
  return ::getpeername(fd, address, size) == 0 ? 0 : -errno;
}

[[gnu::noinline]] int epoll_create() noexcept {
  return static_cast<int>(repeat(Call::kEpollCreate, -1, [](std::size_t) { return ::epoll_create1(EPOLL_CLOEXEC); }));
}

[[gnu::noinline]] int event_fd() noexcept {
  return static_cast<int>(
      repeat(Call::kEpollCreate, -1, [](std::size_t) { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }));
}

[[gnu::noinline]] int epoll_add(int epoll, int fd, epoll_event event) noexcept {
  return static_cast<int>(
      repeat(Call::kEpollAdd, fd, [&](std::size_t) { return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event); }));
}

[[gnu::noinline]] int epoll_renew(int epoll, int fd, epoll_event event) noexcept {
  return ::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
}

[[gnu::noinline]] void epoll_remove(int epoll, int fd) noexcept { ::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr); }

namespace {

// Milliseconds for epoll_wait: rounded up below one (else the caller would spin), else down (it looks at the time
// again).
int to_milliseconds(std::int64_t ns) noexcept {
  if (ns <= 0) return ns == 0 ? 0 : -1;
  return static_cast<int>(std::clamp<std::int64_t>(ns / 1'000'000, 1, 1'000'000'000));
}

}  // namespace

[[gnu::noinline]] int epoll_wait(int epoll, epoll_event* events, int count, std::int64_t timeout_ns) noexcept {
  if (const int error = ask(Call::kEpollWait, epoll).error) return -error;
#if defined(SYS_epoll_pwait2) && !defined(CREEL_TSAN)  // the sanitizer does not know it, and puts signals off meanwhile
  // Nanoseconds, from Linux 5.11 on; a timer would else be up to a millisecond late.
  static std::atomic<bool> precise{true};  // relaxed: a stale value costs one failed call
  if (timeout_ns > 0 && precise.load(std::memory_order_relaxed)) {
    const timespec timeout{timeout_ns / 1'000'000'000, static_cast<long>(timeout_ns % 1'000'000'000)};
    const long result = ::syscall(SYS_epoll_pwait2, epoll, events, count, &timeout, nullptr, 0);
    if (result >= 0) return static_cast<int>(result);
    if (errno != ENOSYS) return -errno;
    precise.store(false, std::memory_order_relaxed);
  }
#endif
  const int result = ::epoll_wait(epoll, events, count, to_milliseconds(timeout_ns));
  return result >= 0 ? result : -errno;
}

}  // namespace creel::net::sys
