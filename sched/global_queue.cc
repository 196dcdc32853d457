// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/global_queue.h"

#include <mutex>

namespace creel::sched {

void GlobalQueue::push_batch(Fiber** fibers, std::uint32_t count) {
  if (count == 0) return;
  for (std::uint32_t i = 0; i + 1 < count; ++i) fibers[i]->next = fibers[i + 1];
  fibers[count - 1]->next = nullptr;
  std::lock_guard guard(lock_);
  if (tail_ != nullptr) {
    tail_->next = fibers[0];
  } else {
    head_ = fibers[0];
  }
  tail_ = fibers[count - 1];
  size_.fetch_add(count, std::memory_order_seq_cst);
}

std::uint32_t GlobalQueue::pop(Fiber** out, std::uint32_t count) {
  std::lock_guard guard(lock_);
  std::uint32_t taken = 0;
  while (taken < count && head_ != nullptr) {
    out[taken++] = head_;
    head_ = head_->next;
  }
  if (head_ == nullptr) tail_ = nullptr;
  if (taken != 0) size_.fetch_sub(taken, std::memory_order_seq_cst);
  return taken;
}

}  // namespace creel::sched
