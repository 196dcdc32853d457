// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/descriptor.h"

#include <memory>
#include <mutex>
#include <new>

#include "creel/net/descriptor_pool.h"
#include "creel/net/epoll_poller.h"
#include "creel/net/error.h"
#include "creel/net/sys.h"
#include "creel/sched/base/check.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/wait_object.h"
#include "creel/tracer/trace.h"

namespace creel::net::detail {
namespace {

constexpr int index_of(Side side) noexcept { return static_cast<int>(side); }

Fiber* to_fiber(std::uintptr_t word) noexcept { return reinterpret_cast<Fiber*>(word); }

// Whether the caller runs on a fiber that may park.
bool may_park() noexcept {
  const sched::Worker* worker = sched::this_worker();
  return worker != nullptr && worker->fiber != nullptr && worker->syscall_depth == 0;
}

}  // namespace

Descriptor::Descriptor() noexcept : timers_{{expire, this}, {expire, this}} {}

int Descriptor::enter(Side side) {
  const Entry entry = mutex_.lock(side);
  if (entry == Entry::kLocked) [[likely]] return 0;
  if (entry == Entry::kRefusedLast) destroy();
  return kClosed;
}

void Descriptor::leave(Side side) {
  if (mutex_.unlock(side)) [[unlikely]] destroy();
}

int Descriptor::enter() { return mutex_.incref() ? 0 : kClosed; }

void Descriptor::leave() {
  if (mutex_.decref()) [[unlikely]] destroy();
}

int Descriptor::check_state(Side side) const noexcept {
  const std::uint32_t info = info_.load(std::memory_order_seq_cst);  // invariant 3
  if ((info & kClosing) != 0) return kClosed;
  if (info == 0) [[likely]] return 0;
  if ((info & kExpired[index_of(side)]) != 0) return ETIMEDOUT;
  return (info & kCancelled[index_of(side)]) != 0 ? ECANCELED : 0;
}

int Descriptor::prepare(Side side) noexcept {
  if (const int error = check_state(side)) return error;
  auto& word = words_[index_of(side)];
  // A full fence before the system call looks at the file, if there was anything to forget.
  if (word.load(std::memory_order_relaxed) != kNil) word.exchange(kNil, std::memory_order_seq_cst);
  return 0;
}

bool Descriptor::waits_first() const noexcept {
  // A trace shows the read that finds nothing, as Go's does.
  return emptied_ && !always_ask_.load(std::memory_order_seq_cst) && !trace::enabled();
}

int Descriptor::wait(Side side) {
  if (!polled_) [[unlikely]] return EAGAIN;
  auto& word = words_[index_of(side)];
  for (;;) {
    if (const int error = check_state(side)) return error;
    std::uintptr_t old = kNil;
    if (!word.compare_exchange_strong(old, kWaiting, std::memory_order_seq_cst)) {
      sched::check(old == kReady, "two fibers wait for one side of a descriptor");
      word.exchange(kNil, std::memory_order_seq_cst);  // emptied before the next system call, as in prepare()
      return 0;
    }
    if (check_state(side) == 0) {  // invariant 3
      static_cast<void>(sched::current_fiber("a creel::net call that has to wait"));
      EpollPoller* const poller = this->poller();
      poller->add_waiter();
      sched::park(
          sched::BlockReason::kNetwork,
          [](Fiber* fiber, void* arg) {
            std::uintptr_t expected = kWaiting;
            // Release publishes the saved context to whoever takes the fiber off; seq_cst as invariant 3.
            return static_cast<std::atomic<std::uintptr_t>*>(arg)->compare_exchange_strong(
                expected, reinterpret_cast<std::uintptr_t>(fiber), std::memory_order_seq_cst);
          },
          &word, sched::tag_number(fd()));
      poller->remove_waiter();
    }
    // Acquire pairs with unblock(); seq_cst as invariant 9. Not kReady: a deadline or close, which may have been taken
    // back meanwhile.
    if (word.exchange(kNil, std::memory_order_seq_cst) == kReady) return 0;
  }
}

int Descriptor::wait_until(Side side, Clock::time_point when) {
  if (const int error = check_state(side)) return error;
  struct Target {
    Descriptor* descriptor;
    Side side;
  } target{this, side};
  // As if the file had become ready: wait() returns and the caller tries again.
  sched::Timer timer(
      [](sched::Timer&, void* arg) {
        const auto& to = *static_cast<const Target*>(arg);
        if (Fiber* fiber = to.descriptor->notify(to.side)) sched::ready(fiber);
      },
      &target);
  try {
    timer.start(when);
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
  return wait(side);
}

Fiber* Descriptor::unblock(Side side, bool ready) noexcept {
  auto& word = words_[index_of(side)];
  std::uintptr_t old = word.load(std::memory_order_seq_cst);  // invariant 3
  for (;;) {
    if (old == kReady || (old == kNil && !ready)) return nullptr;
    // Acquire: the fiber's context, published by its commit. Release pairs with wait().
    if (word.compare_exchange_weak(old, ready ? kReady : kNil, std::memory_order_seq_cst)) {
      return old == kNil || old == kWaiting ? nullptr : to_fiber(old);
    }
  }
}

void Descriptor::publish() noexcept {
  std::uint32_t info = closing_ ? kClosing : 0;
  for (const int side : {0, 1}) {
    if (deadline_[side] == kPast) info |= kExpired[side];
    if (cancelled_[side]) info |= kCancelled[side];
  }
  info_.store(info, std::memory_order_seq_cst);  // invariant 3
}

void Descriptor::set_cancelled(Side side, bool on) noexcept {
  Fiber* wake = nullptr;
  {
    std::lock_guard guard(lock_);
    cancelled_[index_of(side)] = on;
    publish();
    if (on) wake = unblock(side, false);
  }
  if (wake != nullptr) sched::ready(wake);
}

void Descriptor::cancel(Side side) noexcept { set_cancelled(side, true); }

void Descriptor::uncancel(Side side) noexcept { set_cancelled(side, false); }

void Descriptor::expire(sched::Timer&, void* arg) {
  auto& self = *static_cast<Descriptor*>(arg);
  const std::int64_t now = sched::now_ns();
  bool past[2] = {};
  Fiber* wake[2] = {};
  {
    std::lock_guard guard(self.lock_);
    for (const int side : {0, 1}) {
      past[side] = self.deadline_[side] > 0 && self.deadline_[side] <= now;
      if (past[side]) self.deadline_[side] = kPast;
    }
    self.publish();
    for (const int side : {0, 1}) {
      if (past[side]) wake[side] = self.unblock(static_cast<Side>(side), false);
    }
  }
  for (Fiber* fiber : wake) {
    if (fiber != nullptr) sched::ready(fiber);
  }
}

// Requires timers_lock_.
void Descriptor::arm(int side, std::int64_t when) {
  if (armed_[side] == when) return;
  timers_[side].stop();
  armed_[side] = kNone;
  if (when <= 0) return;
  timers_[side].start(Clock::time_point(std::chrono::nanoseconds(when)));
  armed_[side] = when;
}

int Descriptor::set_deadline(bool read, bool write, Clock::time_point when) {
  static_cast<void>(sched::current_fiber("setting a deadline"));
  if (!polled_) return closed() ? kClosed : EOPNOTSUPP;
  std::int64_t value = when.time_since_epoch().count();
  if (when == Clock::time_point::max()) {
    value = kNone;
  } else if (value <= sched::now_ns()) {
    value = kPast;
  }
  if (const int error = enter()) return error;
  int result = 0;
  Fiber* wake[2] = {};
  {
    std::lock_guard timers(timers_lock_);
    std::int64_t wanted[2] = {};
    {
      std::lock_guard guard(lock_);
      if (closing_) {
        result = kClosed;
      } else {
        if (read) deadline_[0] = value;
        if (write) deadline_[1] = value;
        publish();
        for (const int side : {0, 1}) {
          if (deadline_[side] == kPast) wake[side] = unblock(static_cast<Side>(side), false);
          wanted[side] = deadline_[side];
        }
      }
    }
    if (wanted[0] == wanted[1]) wanted[1] = kNone;  // one timer looks after both
    try {
      for (const int side : {0, 1}) arm(side, wanted[side]);
    } catch (const std::bad_alloc&) {
      std::lock_guard guard(lock_);
      for (std::int64_t& deadline : deadline_) deadline = kNone;
      publish();
      result = ENOMEM;
    }
  }
  for (Fiber* fiber : wake) {
    if (fiber != nullptr) sched::ready(fiber);
  }
  leave();
  return result;
}

void Descriptor::evict() {
  Fiber* wake[2] = {};
  {
    std::lock_guard timers(timers_lock_);
    {
      std::lock_guard guard(lock_);
      closing_ = true;
      publish();
      for (const int side : {0, 1}) wake[side] = unblock(static_cast<Side>(side), false);
    }
    for (const int side : {0, 1}) arm(side, kNone);
  }
  for (Fiber* fiber : wake) {
    if (fiber != nullptr) sched::ready(fiber);
  }
}

int Descriptor::close() {
  if (!mutex_.close()) return kClosed;
  evict();
  if (mutex_.decref()) {
    destroy();
  } else if (polled_ && may_park()) {
    file_closed_.acquire();
  }
  return close_error_.load(std::memory_order_relaxed);  // ordered by the semaphore, or our own
}

void Descriptor::destroy() {
  if (destroyed_.exchange(true, std::memory_order_acq_rel)) return;  // acq_rel: once, also against orphan()
  // Not taken out of the epoll set by name unless it has to be: closing does that. A copy of the file made by somebody
  // else may still cause events, which invariant 5 tells from those of a successor.
  if (shared_ && polled_) {
    if (EpollPoller* const poller = this->poller()) poller->forget(fd());
  }
  const int error = -sys::close(fd_.exchange(-1, std::memory_order_relaxed));
  close_error_.store(error, std::memory_order_relaxed);
  file_closed_.release();
  release_part();
}

void Descriptor::drop_handle() {
  close();
  release_part();
}

void Descriptor::release_part() {
  // Acq_rel: all that the other part did is done before the pool hands it out again.
  if (parts_.fetch_sub(1, std::memory_order_acq_rel) == 1) DescriptorPool::instance().give(this);
}

void Descriptor::open(int fd, EpollPoller* poller) noexcept {
  std::destroy_at(&mutex_);
  std::construct_at(&mutex_);
  std::destroy_at(&file_closed_);
  std::construct_at(&file_closed_, 0);
  closing_ = false;
  polled_ = true;
  shared_ = false;
  for (const int side : {0, 1}) {
    cancelled_[side] = false;
    deadline_[side] = kNone;
    armed_[side] = kNone;
    words_[side].store(kNil, std::memory_order_relaxed);
  }
  info_.store(0, std::memory_order_relaxed);
  always_ask_.store(false, std::memory_order_relaxed);
  emptied_ = false;
  less_is_empty_ = false;
  destroyed_.store(false, std::memory_order_relaxed);
  close_error_.store(0, std::memory_order_relaxed);
  parts_.store(2, std::memory_order_relaxed);
  fd_.store(fd, std::memory_order_relaxed);
  // Release: what is above is seen by who reaches it through epoll, or at the poller's end.
  poller_.store(poller, std::memory_order_release);
}

void Descriptor::abandon() noexcept {
  fd_.store(-1, std::memory_order_relaxed);
  DescriptorPool::instance().give(this);
}

void Descriptor::orphan() noexcept {
  // Silently: nobody who waits will run again, and there is nobody to wake them.
  const bool unused = mutex_.shut();
  {
    std::lock_guard guard(lock_);
    closing_ = true;
    publish();
    for (auto& word : words_) word.store(kNil, std::memory_order_relaxed);
  }
  // The timers' heaps are gone with the scheduler: there is nothing to take them out of.
  for (sched::Timer& timer : timers_) ::new (&timer) sched::Timer(expire, this);
  for (std::int64_t& armed : armed_) armed = kNone;
  poller_.store(nullptr, std::memory_order_release);
  if (destroyed_.exchange(true, std::memory_order_acq_rel)) return;
  sys::close(fd_.exchange(-1, std::memory_order_relaxed));
  // With operations of fibers that never end it stays out of the pool for good.
  if (unused) release_part();
}

}  // namespace creel::net::detail
