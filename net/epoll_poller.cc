// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/epoll_poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <new>
#include <string>

#include "creel/net/descriptor_pool.h"
#include "creel/net/error.h"
#include "creel/net/sys.h"
#include "creel/sched/base/check.h"
#include "creel/sched/scheduler.h"

namespace creel::net {

using detail::Descriptor;
using detail::DescriptorPool;
using detail::Side;
using sched::Fiber;

namespace {

constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
// Invariant 9 of descriptor.h: what may come without a further event, or divides what can be read at once.
constexpr std::uint32_t kAskEvents = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
constexpr std::uint32_t kWriteEvents = EPOLLOUT | EPOLLHUP | EPOLLERR;

epoll_event registration(const Descriptor& descriptor) noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.u64 = std::uint64_t{descriptor.sequence()} << 32 | descriptor.index();
  return event;
}

}  // namespace

EpollPoller& EpollPoller::current(const char* what) {
  static_cast<void>(sched::current_fiber(what));
  auto* poller = dynamic_cast<EpollPoller*>(sched::this_worker()->scheduler.poller.get());
  if (poller == nullptr) sched::misuse("this runtime was started without a network poller");
  return *poller;
}

EpollPoller::~EpollPoller() {
  DescriptorPool::instance().for_each([this](Descriptor& descriptor) {
    if (descriptor.poller() == this) descriptor.orphan();
  });
  if (!made_.load(std::memory_order_seq_cst)) return;
  ::close(epoll_);
  ::close(event_);
}

int EpollPoller::make() {
  std::lock_guard guard(make_lock_);
  if (made_.load(std::memory_order_relaxed)) return 0;
  const int epoll = sys::epoll_create();
  if (epoll < 0) return -epoll;
  const int event = sys::event_fd();
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.u64 = kInterrupt;
  const int error = event < 0 ? event : sys::epoll_add(epoll, event, interest);
  if (error < 0) {
    ::close(epoll);
    if (event >= 0) ::close(event);
    return -error;
  }
  epoll_ = epoll;
  event_ = event;
  made_.store(true, std::memory_order_seq_cst);
  timed_.interrupt();  // invariant 3
  interrupt();
  return 0;
}

Descriptor* EpollPoller::open(int fd, std::error_code& error, detail::Polling wanted) {
  error.clear();
  const bool register_it = wanted != detail::Polling::kNone;
  int failed = !register_it || made_.load(std::memory_order_acquire) ? 0 : make();
  Descriptor* descriptor = nullptr;
  if (failed == 0) {
    try {
      descriptor = DescriptorPool::instance().take();
      if (descriptor == nullptr) failed = ENFILE;
    } catch (const std::bad_alloc&) {
      failed = ENOMEM;
    }
  }
  if (failed == 0) {
    descriptor->open(fd, this);
    if (register_it) failed = -sys::epoll_add(epoll_, fd, registration(*descriptor));
    if (!register_it || (failed == EPERM && wanted == detail::Polling::kIfPossible)) {
      descriptor->set_unpolled();
      return descriptor;
    }
    if (failed == 0) return descriptor;
    descriptor->abandon();
  }
  error = detail::to_error_code(failed);
  return nullptr;
}

void EpollPoller::forget(int fd) noexcept { sys::epoll_remove(epoll_, fd); }

void EpollPoller::renew(Descriptor& descriptor) noexcept {
  const int result = sys::epoll_renew(epoll_, descriptor.fd(), registration(descriptor));
  sched::check(result == 0, "renew() of a closed descriptor");
}

Fiber* EpollPoller::poll(std::int64_t timeout_ns) {
  if (!made_.load(std::memory_order_seq_cst)) return timed_.poll(timeout_ns);
  std::array<epoll_event, kBatch> events;
  int count = 0;
  do {
    count = sys::epoll_wait(epoll_, events.data(), kBatch, timeout_ns);
  } while (count == -EINTR && timeout_ns <= 0);
  if (count < 0) {
    if (count == -EINTR) return nullptr;  // the caller works out the time left
    sched::fail("epoll_wait() failed with errno " + std::to_string(-count));
  }
  Fiber* first = nullptr;  // the last event's, as in Go: what runs first after a batch is equal then
  for (int i = 0; i < count; ++i) {
    const std::uint64_t data = events[i].data.u64;
    if (data == kInterrupt) {
      // Meant for who blocks: a poll that does not leaves it there (the event is level-triggered).
      if (timeout_ns == 0) continue;
      std::uint64_t number = 0;
      [[maybe_unused]] const ssize_t got = ::read(event_, &number, sizeof number);
      wake_pending_.store(false, std::memory_order_seq_cst);
      continue;
    }
    Descriptor& descriptor = *DescriptorPool::instance().at(static_cast<std::uint32_t>(data));
    if (descriptor.sequence() != static_cast<std::uint32_t>(data >> 32)) continue;  // of a former life
    if ((events[i].events & kAskEvents) != 0) descriptor.always_ask();
    const auto notify = [&](std::uint32_t mask, Side side) {
      if ((events[i].events & mask) == 0) return;
      Fiber* fiber = descriptor.notify(side);
      if (fiber == nullptr) return;
      fiber->next = first;
      first = fiber;
    };
    notify(kReadEvents, Side::kRead);
    notify(kWriteEvents, Side::kWrite);
  }
  return first;
}

void EpollPoller::interrupt() noexcept {
  if (!made_.load(std::memory_order_seq_cst)) return timed_.interrupt();
  if (wake_pending_.exchange(true, std::memory_order_seq_cst)) return;
  const std::uint64_t one = 1;
  // Fails only when the counter is full: then it is readable.
  [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
}

void EpollPoller::remove_waiter() noexcept {
  if (waiters_.fetch_sub(1, std::memory_order_seq_cst) != 1) return;
  if (sched::this_worker()->scheduler.last_poll.load(std::memory_order_seq_cst) == 0) interrupt();  // invariant 4
}

}  // namespace creel::net
