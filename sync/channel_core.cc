// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/channel_core.h"

#include <limits>
#include <new>

#include "creel/sched/preempt.h"
#include "creel/sync/channel.h"

namespace creel::sync {

namespace {

ChannelResult result_of(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::kDone:
      return ChannelResult::kDone;
    case Outcome::kClosed:
      return ChannelResult::kClosed;
    default:
      return ChannelResult::kBlocked;
  }
}

void ready_one(Waiter* waiter) {
  if (waiter != nullptr) sched::ready(waiter->fiber);
}

}  // namespace

ChannelCore::ChannelCore(std::size_t capacity, std::size_t element_size, std::size_t element_align)
    : capacity_(capacity), element_size_(element_size), element_align_(element_align) {
  if (capacity == 0 || element_size == 0) return;
  if (capacity > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / element_size) {
    throw std::bad_alloc();
  }
  buffer_ = static_cast<std::byte*>(::operator new(capacity * element_size, std::align_val_t(element_align)));
}

ChannelCore::~ChannelCore() {
  expect_unused(senders_.empty() && receivers_.empty(), "creel::Channel destroyed while fibers wait on it");
  if (buffer_ != nullptr) ::operator delete(buffer_, std::align_val_t(element_align_));
}

ChannelResult ChannelCore::send_step(const void* element, Waiter*& wake) {
  if (closed_.load(std::memory_order_relaxed)) return ChannelResult::kClosed;
  if (Waiter* receiver = receivers_.pop_claimed()) {
    copy(receiver->element, element);
    receiver->decide(Outcome::kDone);
    wake = receiver;
    return ChannelResult::kDone;
  }
  const std::size_t count = count_.load(std::memory_order_relaxed);
  if (count == capacity_) return ChannelResult::kBlocked;
  copy(slot(last_), element);
  last_ = after(last_);
  count_.store(count + 1, std::memory_order_relaxed);
  return ChannelResult::kDone;
}

ChannelResult ChannelCore::recv_step(void* element, Waiter*& wake) {
  const std::size_t count = count_.load(std::memory_order_relaxed);
  if (count != 0) {
    copy(element, slot(first_));
    first_ = after(first_);
    if (Waiter* sender = senders_.pop_claimed()) {
      // The buffer was full: the slot just freed is the next to be filled, and its turn comes last.
      copy(slot(last_), sender->element);
      last_ = after(last_);
      sender->decide(Outcome::kDone);
      wake = sender;
    } else {
      count_.store(count - 1, std::memory_order_relaxed);
    }
    return ChannelResult::kDone;
  }
  if (Waiter* sender = senders_.pop_claimed()) {
    copy(element, sender->element);
    sender->decide(Outcome::kDone);
    wake = sender;
    return ChannelResult::kDone;
  }
  return closed_.load(std::memory_order_relaxed) ? ChannelResult::kClosed : ChannelResult::kBlocked;
}

ChannelResult ChannelCore::try_send(void* element) {
  sched::safe_point();
  Waiter* wake = nullptr;
  lock_.lock();
  const ChannelResult result = send_step(element, wake);
  lock_.unlock();
  ready_one(wake);
  return result;
}

ChannelResult ChannelCore::try_recv(void* element) {
  sched::safe_point();
  Waiter* wake = nullptr;
  lock_.lock();
  const ChannelResult result = recv_step(element, wake);
  lock_.unlock();
  ready_one(wake);
  return result;
}

ChannelResult ChannelCore::send(void* element, const Limit* limit) {
  sched::safe_point();
  Waiter* wake = nullptr;
  lock_.lock();
  const ChannelResult result = send_step(element, wake);
  if (result == ChannelResult::kBlocked && limit == nullptr) return park_sender(element);
  lock_.unlock();
  ready_one(wake);
  if (result != ChannelResult::kBlocked || limit->reached()) return result;
  return send_timed(element, *limit);
}

ChannelResult ChannelCore::park_sender(void* element) {
  Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] {
    lock_.unlock();  // no waiting for a processor with it held
    return sched::as_fiber("creel::Channel::send()", [this, element] { return send(element, nullptr); });
  }
  Waiter self(fiber);
  self.element = element;
  senders_.push_back(self);
  return result_of(park_waiter(self, lock_, BlockReason::kChanSend, sched::tag(this, sched::WaitKind::kChannel)));
}

ChannelResult ChannelCore::send_timed(void* element, const Limit& limit) {
  Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] {
    return sched::as_fiber("creel::Channel::send_until()", [this, element, &limit] { return send_timed(element, limit); });
  }
  Waiter self(fiber);
  self.element = element;
  Expiry expiry(self, lock_, &ChannelCore::expire_send, this, limit);
  Waiter* wake = nullptr;
  lock_.lock();
  const ChannelResult result = send_step(element, wake);
  if (result != ChannelResult::kBlocked || self.expired) {
    lock_.unlock();
    ready_one(wake);
    return result;
  }
  senders_.push_back(self);
  return result_of(park_waiter(self, lock_, BlockReason::kChanSend, sched::tag(this, sched::WaitKind::kChannel)));
}

ChannelResult ChannelCore::recv(void* element, const Limit* limit) {
  sched::safe_point();
  Waiter* wake = nullptr;
  lock_.lock();
  const ChannelResult result = recv_step(element, wake);
  if (result == ChannelResult::kBlocked && limit == nullptr) return park_receiver(element);
  lock_.unlock();
  ready_one(wake);
  if (result != ChannelResult::kBlocked || limit->reached()) return result;
  return recv_timed(element, *limit);
}

ChannelResult ChannelCore::park_receiver(void* element) {
  Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] {
    lock_.unlock();  // no waiting for a processor with it held
    return sched::as_fiber("creel::Channel::recv()", [this, element] { return recv(element, nullptr); });
  }
  Waiter self(fiber);
  self.element = element;
  receivers_.push_back(self);
  return result_of(park_waiter(self, lock_, BlockReason::kChanReceive, sched::tag(this, sched::WaitKind::kChannel)));
}

ChannelResult ChannelCore::recv_timed(void* element, const Limit& limit) {
  Fiber* fiber = sched::fiber_here();
  if (fiber == nullptr) [[unlikely]] {
    return sched::as_fiber("creel::Channel::recv_until()", [this, element, &limit] { return recv_timed(element, limit); });
  }
  Waiter self(fiber);
  self.element = element;
  Expiry expiry(self, lock_, &ChannelCore::expire_recv, this, limit);
  Waiter* wake = nullptr;
  lock_.lock();
  const ChannelResult result = recv_step(element, wake);
  if (result != ChannelResult::kBlocked || self.expired) {
    lock_.unlock();
    ready_one(wake);
    return result;
  }
  receivers_.push_back(self);
  return result_of(park_waiter(self, lock_, BlockReason::kChanReceive, sched::tag(this, sched::WaitKind::kChannel)));
}

bool ChannelCore::expire_send(void* self, Waiter& waiter, WakeList&) {
  static_cast<ChannelCore*>(self)->senders_.remove(waiter);
  return true;
}

bool ChannelCore::expire_recv(void* self, Waiter& waiter, WakeList&) {
  static_cast<ChannelCore*>(self)->receivers_.remove(waiter);
  return true;
}

void throw_send_on_closed() { throw ChannelClosed("creel::Channel: send on a closed channel"); }
void throw_close_of_closed() { throw ChannelClosed("creel::Channel: close of a closed channel"); }

bool ChannelCore::close() {
  sched::safe_point();
  WakeList wakes;
  lock_.lock();
  if (closed_.load(std::memory_order_relaxed)) {
    lock_.unlock();
    return false;
  }
  closed_.store(true, std::memory_order_release);  // pairs with the acquire in closed()
  for (WaitQueue* queue : {&receivers_, &senders_}) {
    while (Waiter* waiter = queue->pop_claimed()) {
      waiter->decide(Outcome::kClosed);
      wakes.add(*waiter);
    }
  }
  lock_.unlock();
  wakes.ready_all();
  return true;
}

}  // namespace creel::sync
