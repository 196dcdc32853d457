// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/fiber_local.h"

#include <atomic>

#include "creel/sched/fiber.h"
#include "creel/sched/park.h"

namespace creel::sched {

void FiberLocals::clear() {
  // A destructor may use other locals, even make new ones.
  while (!entries_.empty()) {
    const Entry entry = entries_.back();
    entries_.pop_back();
    entry.destroy(entry.value);
  }
}

void* FiberLocals::find(std::uint64_t key) const noexcept {
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    if (it->key == key) return it->value;
  }
  return nullptr;
}

void FiberLocals::add(std::uint64_t key, void* value, void (*destroy)(void*)) { entries_.push_back({key, value, destroy}); }

FiberLocals& current_locals() {
  FiberExtra& extra = current_fiber("creel::FiberLocal")->more();
  if (extra.locals == nullptr) extra.locals = std::make_unique<FiberLocals>();
  return *extra.locals;
}

std::uint64_t new_local_key() noexcept {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);  // uniqueness only
}

}  // namespace creel::sched
