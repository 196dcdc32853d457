// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The network poller of a runtime: one epoll set, edge-triggered, and an eventfd to interrupt who waits in it.
//
// Both are made when the first descriptor is opened; until then waiting is a futex (sched::TimedPoller), so a program
// without sockets pays nothing. Each descriptor is registered once, for both directions, and never changed.
//
//  1. One thread at a time blocks in poll(): who exchanged Scheduler::last_poll for 0. Non-blocking polls may run
//     beside it.
//  2. An interrupt() is remembered in wake_pending_ and the eventfd until a blocking poll has seen it: whoever
//     interrupts has published its cause before (a timer, the stop), and the poll's caller looks for causes after it
//     returns.
//  3. made_ changes once, followed by a wake-up of both kinds: an interrupt() that still saw the futex had its cause
//     published before that wake-up's look.
//  4. waiters_ counts a fiber from before its park until it runs again: while it is 0 no event can make a fiber
//     runnable. Its fall to 0 interrupts the blocking poll, so that a deadlock is found.
//
// Source: netpoll_epoll.go of Go's runtime.

#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>

#include "creel/net/descriptor.h"
#include "creel/sched/base/cache_line.h"
#include "creel/sched/poller.h"
#include "creel/sync/semaphore.h"

namespace creel::net {

class EpollPoller final : public sched::Poller {
 public:
  EpollPoller() = default;
  // Closes every descriptor still open: those of abandoned fibers, and of sockets that outlive the runtime.
  ~EpollPoller() override;
  EpollPoller(const EpollPoller&) = delete;
  EpollPoller& operator=(const EpollPoller&) = delete;

  sched::Fiber* poll(std::int64_t timeout_ns) override;
  void interrupt() noexcept override;
  [[nodiscard]] bool has_waiters() const noexcept override { return waiters_.load(std::memory_order_seq_cst) != 0; }

  // The poller of the calling fiber's runtime. Ends the process with a message on a thread that runs no fiber, naming
  // `what`.
  [[nodiscard]] static EpollPoller& current(const char* what);

  // Registers `fd` (non-blocking), which the descriptor owns from then on; null and `error` set: it is still the
  // caller's. A file that epoll does not take is an error, or goes without, as `wanted`.
  [[nodiscard]] detail::Descriptor* open(int fd, std::error_code& error,
                                         detail::Polling wanted = detail::Polling::kRequired);

  // Takes a file out of the epoll set.
  void forget(int fd) noexcept;

  // Around a fiber's park (invariant 4). Caller: that fiber.
  void add_waiter() noexcept { waiters_.fetch_add(1, std::memory_order_seq_cst); }
  void remove_waiter() noexcept;

  // Name look-ups at the same time.
  [[nodiscard]] Semaphore& resolver_permits() noexcept { return resolver_permits_; }
  // Reports the present readiness of `descriptor` as a new event. For tests that make up an EAGAIN.
  void renew(detail::Descriptor& descriptor) noexcept;

 private:
  static constexpr int kBatch = 128;        // events per system call
  static constexpr int kResolvers = 32;
  static constexpr std::uint64_t kInterrupt = ~std::uint64_t{0};

  [[nodiscard]] int make();

  alignas(sched::kCacheLine) std::atomic<std::uint32_t> waiters_{0};
  alignas(sched::kCacheLine) std::atomic<bool> made_{false};  // the next two are valid; seq_cst (invariant 3)
  int epoll_ = -1;
  int event_ = -1;
  std::atomic<bool> wake_pending_{false};  // seq_cst (invariant 2)
  sched::TimedPoller timed_;               // until made_
  sched::SpinLock make_lock_;
  Semaphore resolver_permits_{kResolvers};
};

}  // namespace creel::net
