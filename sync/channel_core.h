// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A channel of elements that are plain bytes: buffer, queues of waiting fibers, close. Channel<T> puts types on top.
//
// Rule: no user code runs in here, and so none under the lock. Elements are copied as bytes; Channel<T> makes of each T
// something for which that is right (see Element in channel.h). So a T whose move throws, parks or is instrumented for
// preemption cannot break or block a channel.
//
// Invariants (lock_ held or free):
//  1. Receivers wait only while the buffer is empty, senders only while it is full (always, for capacity 0).
//  2. Not both queues hold a Waiter, but for those of one select that waits on both sides.
//  3. A closed channel has no Waiters.
//  4. FIFO: elements leave in the order they came; waiters are served in the order they queued. A value goes from the
//     sender's frame to the receiver's, or through the buffer, never both.
// Source: runtime/chan.go of Go.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "creel/sync/deadline.h"
#include "creel/sync/wait_queue.h"

namespace creel::sync {

// What an operation came to. kBlocked: it would have to wait.
enum class ChannelResult : std::uint8_t { kDone, kClosed, kBlocked };

class ChannelCore {
 public:
  // Errors: std::bad_alloc, also if the size overflows. Requires: alignment is a power of two.
  ChannelCore(std::size_t capacity, std::size_t element_size, std::size_t element_align);
  ~ChannelCore();
  ChannelCore(const ChannelCore&) = delete;
  ChannelCore& operator=(const ChannelCore&) = delete;

  // Copy the element from / to `element`, which must stay valid during the call. With a limit (null: none) kBlocked
  // says that it was reached. Caller: a fiber. Blocking: parks the fiber.
  ChannelResult send(void* element, const Limit* limit);
  ChannelResult recv(void* element, const Limit* limit);
  // Never block. Caller: any thread.
  ChannelResult try_send(void* element);
  ChannelResult try_recv(void* element);
  // False: it was closed already.
  bool close();

  // Possibly outdated as soon as read.
  [[nodiscard]] std::size_t size() const noexcept { return count_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  // Acquire pairs with the release in close(): what happened before close() is visible.
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  // Whether a send / receive might not have to wait; a hint, outdated as soon as read.
  [[nodiscard]] bool may_send() const noexcept {
    return count_.load(std::memory_order_relaxed) < capacity_ || !receivers_.empty_hint() ||
           closed_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool may_recv() const noexcept {
    return count_.load(std::memory_order_relaxed) != 0 || !senders_.empty_hint() || closed_.load(std::memory_order_relaxed);
  }

 private:
  friend class Selection;

  // One attempt, never blocks. `wake`: the Waiter served, decided, to be readied after lock_ is released.
  // Caller: holds lock_.
  ChannelResult send_step(const void* element, Waiter*& wake);
  ChannelResult recv_step(void* element, Waiter*& wake);
  // Queue and park the calling fiber. Caller: holds lock_, which is released. Out of line: the frames of the fast path
  // stay small.
  [[gnu::noinline]] ChannelResult park_sender(void* element);
  [[gnu::noinline]] ChannelResult park_receiver(void* element);
  [[gnu::noinline]] ChannelResult send_timed(void* element, const Limit& limit);
  [[gnu::noinline]] ChannelResult recv_timed(void* element, const Limit& limit);
  static bool expire_send(void* self, Waiter& waiter, WakeList& wakes);
  static bool expire_recv(void* self, Waiter& waiter, WakeList& wakes);

  [[nodiscard]] std::byte* slot(std::size_t index) const noexcept { return buffer_ + index * element_size_; }
  [[nodiscard]] std::size_t after(std::size_t index) const noexcept { return index + 1 == capacity_ ? 0 : index + 1; }
  void copy(void* to, const void* from) const noexcept {
    switch (element_size_) {  // the common sizes without a call
      case 0:
        return;  // Channel<void> has no buffer
      case 4:
        std::memcpy(to, from, 4);
        return;
      case 8:
        std::memcpy(to, from, 8);
        return;
      case 16:
        std::memcpy(to, from, 16);
        return;
      default:
        std::memcpy(to, from, element_size_);
    }
  }

  // Constant after construction.
  const std::size_t capacity_;
  const std::size_t element_size_;
  const std::size_t element_align_;
  std::byte* buffer_ = nullptr;

  SpinLock lock_;  // guards all below; the atomics are read without it as hints
  std::atomic<bool> closed_{false};
  std::atomic<std::size_t> count_{0};  // elements in the buffer
  std::size_t first_ = 0;              // slot of the oldest element
  std::size_t last_ = 0;               // slot the next element goes to
  WaitQueue senders_;
  WaitQueue receivers_;
};

}  // namespace creel::sync
