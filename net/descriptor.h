// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// An open file descriptor that fibers wait for: readiness, deadlines, close.
//
// One parking word per side (Side::kRead, Side::kWrite), a binary semaphore with a place for one waiter:
//
//   kNil      nothing
//   kReady    the poller saw readiness; consumed by the next wait()
//   kWaiting  a fiber is about to park
//   Fiber*    it is parked
//
//   kNil -> kReady, kWaiting -> kReady, Fiber* -> kReady   the poller (the last one wakes the fiber)
//   kWaiting -> kNil, Fiber* -> kNil                       a deadline, cancel or close (the last one wakes the fiber)
//   kReady -> kNil, kNil -> kWaiting                       the fiber, in wait()
//   kWaiting -> Fiber*                                     the park's commit
//
// Invariants:
//  1. One fiber at a time per side: it holds that side's lock (FdMutex).
//  2. Who exchanges a Fiber* for something else, and only they, make that fiber ready, once.
//  3. A deadline, cancel or close first publishes its bit in info_, then looks at the words; a fiber first writes
//     kWaiting, then looks at info_. All four are sequentially consistent: one sees the other, no wake-up is lost.
//  4. Readiness is a hint. Before a system call that may say EAGAIN the word is emptied (prepare), so an event from
//     then on is kept; an event too many (a stale one, of the number's former file) costs one more EAGAIN. The poller
//     never takes a lock.
//  5. An epoll event names the descriptor by index and sequence; the sequence changes when the descriptor is given back
//     to the pool. Its memory is never freed, so a late event finds valid memory.
//  6. A timer that fires looks at the present deadlines: one that was moved meanwhile does not expire. It takes lock_
//     only.
//  7. set_deadline() and close() change the timers under timers_lock_, which no timer function takes: so they may wait
//     for a firing one.
//  8. fd_ is closed by the last one to leave after close() (FdMutex, 3), or by the poller at the runtime's end. Both it
//     and the handle's end must have happened before the descriptor goes back to the pool.
//  9. A read that took less than it had asked for has emptied the socket (epoll(7), Q9), and what comes later causes an
//     event of its own: the next read may wait for that instead of asking the kernel. Not so once always_ask() was
//     called, as with what need not cause a further event, or may divide what can be read: the peer's end, an error,
//     urgent data, a file that is used by its number. The poller says so before it looks at the word, whoever waits
//     looks after they have emptied it (all sequentially consistent): a kReady that stood for two events hides neither.
//     That wait is followed by a system call also if a deadline or a cancel ended it, as data may be there of which
//     nobody has asked the poller yet; and no kReady is consumed without one.
//
// Thread safety: all functions but where said. Source: pollDesc of Go's runtime/netpoll.go, FD of internal/poll.

#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "creel/net/fd_mutex.h"
#include "creel/sched/base/cache_line.h"
#include "creel/sched/base/spinlock.h"
#include "creel/sched/park.h"
#include "creel/sched/timer.h"

namespace creel::net {
class EpollPoller;
}

namespace creel::net::detail {

using sched::Clock;
using sched::Fiber;

// Whether the poller must serve a file (a socket), or calls on it may block their thread, in blocking sections, if it
// does not (a regular file).
enum class Polling : std::uint8_t { kRequired, kIfPossible, kNone };

class alignas(sched::kCacheLine) Descriptor {
 public:
  Descriptor() noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  // --- Operations of a fiber. An error is an errno value or kClosed; 0: none.

  // Locks one side for an operation. 0, or kClosed.
  [[nodiscard]] int enter(Side side);
  void leave(Side side);
  // A reference for calls that need no side (options). 0, or kClosed.
  [[nodiscard]] int enter();
  void leave();
  // kClosed, ETIMEDOUT if the side's deadline has passed, ECANCELED, else 0.
  [[nodiscard]] int check_state(Side side) const noexcept;
  // Before the system call: kClosed, ETIMEDOUT if the side's deadline has passed, else 0, and forgets former readiness.
  // Requires: the side is entered.
  [[nodiscard]] int prepare(Side side) noexcept;
  // Whether a read shall wait() before it asks the kernel, without prepare(): the last one took all there was (invariant
  // 9). Requires: the read side is entered.
  [[nodiscard]] bool waits_first() const noexcept;
  // After a read: whether it took less than it had asked for. Requires: the read side is entered.
  void note_read(bool less) noexcept { emptied_ = less && less_is_empty_; }
  // From here on note_read() counts: a read that takes less than asked for empties the file, as with TCP. Caller: the
  // socket's, before its first read.
  void set_less_is_empty() noexcept { less_is_empty_ = true; }
  // Reads ask the kernel from here on, whatever the last one took (invariant 9). Caller: anyone while it is open.
  void always_ask() noexcept { always_ask_.store(true, std::memory_order_seq_cst); }
  // After EAGAIN: parks until the side may be ready (0), its deadline passes (ETIMEDOUT), it is cancelled (ECANCELED)
  // or the descriptor is closed. EAGAIN for a file that the poller does not serve. Requires: the side is entered.
  // Trace: block "network".
  [[nodiscard]] int wait(Side side);
  // wait() that also ends, with 0, at `when`.
  [[nodiscard]] int wait_until(Side side, Clock::time_point when);

  // Ends the wait of the fiber that has entered the side, and further ones until uncancel(). Caller: anyone while that
  // fiber is inside; neither parks nor is a safe point.
  void cancel(Side side) noexcept;
  void uncancel(Side side) noexcept;

  // Sets the deadline of the sides chosen; what waits now is concerned too. Clock::time_point::max(): none; past:
  // expires at once. 0, kClosed, ENOMEM (then there is no deadline), or EOPNOTSUPP if the poller does not serve it.
  // Caller: a fiber.
  [[nodiscard]] int set_deadline(bool read, bool write, Clock::time_point when);

  // Ends all operations with kClosed and closes the file. A fiber waits until they have left and the file is closed; not
  // where the poller does not serve it: they cannot be ended, the last one to leave closes it. 0, kClosed if it was
  // closed before, or close()'s errno. Caller: anyone; a thread that runs no fiber does not wait.
  int close();

  [[nodiscard]] int fd() const noexcept { return fd_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool closed() const noexcept { return mutex_.closed(); }
  // Whether the poller serves it.
  [[nodiscard]] bool polled() const noexcept { return polled_; }

  // The only handle goes away: closes if need be; nobody may use the descriptor from here on.
  void drop_handle();

  // --- For the poller.

  // Readiness of a side. Returns the fiber to wake, or null.
  [[nodiscard]] Fiber* notify(Side side) noexcept { return unblock(side, true); }
  [[nodiscard]] std::uint32_t sequence() const noexcept { return sequence_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  [[nodiscard]] EpollPoller* poller() const noexcept { return poller_.load(std::memory_order_acquire); }
  // Starts a new life. Caller: has it from the pool.
  void open(int fd, EpollPoller* poller) noexcept;
  // The poller does not serve it. Caller: still has it to itself.
  void set_unpolled() noexcept { polled_ = false; }
  // Others have the same open file (dup(2), another process): closing this number does not take it out of the epoll
  // set. Caller: as above.
  void set_shared() noexcept { shared_ = true; }
  // open() that failed: back to the pool, the file stays the caller's.
  void abandon() noexcept;
  // The runtime is over: closes the file; fibers that wait never run again. Caller: the poller's end, no worker runs.
  void orphan() noexcept;

 private:
  friend class DescriptorPool;

  static constexpr std::uintptr_t kNil = 0;
  static constexpr std::uintptr_t kReady = 1;
  static constexpr std::uintptr_t kWaiting = 2;
  static constexpr std::uint32_t kClosing = 1;              // bits of info_
  static constexpr std::uint32_t kExpired[] = {2, 4};
  static constexpr std::uint32_t kCancelled[] = {8, 16};
  static constexpr std::int64_t kNone = 0;                  // values of deadline_, beside a time in ns
  static constexpr std::int64_t kPast = -1;

  [[nodiscard]] Fiber* unblock(Side side, bool ready) noexcept;
  void publish() noexcept;  // requires lock_
  void set_cancelled(Side side, bool on) noexcept;
  void arm(int side, std::int64_t when);
  void evict();
  void destroy();
  void release_part();
  static void expire(sched::Timer& timer, void* self);

  // All that a request touches is on one line.
  std::atomic<std::uintptr_t> words_[2]{};
  std::atomic<std::uint32_t> info_{0};  // written under lock_
  std::atomic<std::int32_t> fd_{-1};
  std::atomic<EpollPoller*> poller_{nullptr};
  std::atomic<std::uint32_t> sequence_{1};
  bool polled_ = true;                  // constant from open() to the end
  std::atomic<bool> always_ask_{false}; // seq_cst (invariant 9)
  bool emptied_ = false;                // guarded by the read side's lock
  bool less_is_empty_ = false;          // constant after the first read
  FdMutex mutex_;

  std::uint32_t index_ = 0;             // constant
  bool shared_ = false;                 // as polled_
  std::atomic<std::uint32_t> parts_{0};  // what still keeps it out of the pool: the open file, the handle
  std::atomic<bool> destroyed_{false};
  std::atomic<int> close_error_{0};

  sched::SpinLock lock_;
  bool closing_ = false;               // guarded by lock_
  bool cancelled_[2] = {};             // guarded by lock_
  std::int64_t deadline_[2] = {};      // guarded by lock_
  sched::SpinLock timers_lock_;        // rank: before lock_ and the timer heaps'
  std::int64_t armed_[2] = {};         // what the timers were armed for; guarded by timers_lock_
  sched::Timer timers_[2];

  Semaphore file_closed_{0};           // one permit once the file is closed
  Descriptor* next_free_ = nullptr;    // guarded by the pool's lock
};

// Holds one side of a descriptor for one operation.
class SideGuard {
 public:
  SideGuard(Descriptor& descriptor, Side side) : descriptor_(descriptor), side_(side), error_(descriptor.enter(side)) {}
  ~SideGuard() {
    if (error_ == 0) descriptor_.leave(side_);
  }
  SideGuard(const SideGuard&) = delete;
  SideGuard& operator=(const SideGuard&) = delete;
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  Descriptor& descriptor_;
  Side side_;
  int error_;
};

// Repeats `call` (a result or -errno) until it does not say EAGAIN; parks in between. Returns its result, or -error.
// Requires: the side is entered, and prepared.
template <typename F>
[[nodiscard]] inline auto repeat_ready(Descriptor& descriptor, Side side, F call) -> decltype(call()) {
  for (;;) {
    const auto result = call();
    if (result != -EAGAIN) [[likely]] return result;
    if (const int error = descriptor.wait(side)) return -error;
  }
}

// The same, and prepares the side before.
template <typename F>
[[nodiscard]] inline auto retry_ready(Descriptor& descriptor, Side side, F call) -> decltype(call()) {
  if (const int error = descriptor.prepare(side)) return -error;
  return repeat_ready(descriptor, side, call);
}

}  // namespace creel::net::detail
