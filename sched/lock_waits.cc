// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/lock_waits.h"

#include <cstdio>
#include <set>
#include <unordered_map>

#include "creel/sched/base/copy_memory.h"
#include "creel/sched/outside.h"
#include "creel/sched/slab.h"
#include "creel/sched/stack.h"
#include "creel/sched/wait_object.h"

namespace creel::sched {

using tracer::BlockReason;

namespace {

// The fiber whose stack `address` lies on; 0: none. Stacks stay mapped, their descriptors may change meanwhile.
__attribute__((noinline, no_sanitize("thread", "address"))) std::uint64_t fiber_at(std::uintptr_t address) noexcept {
  const Slab* slab = find_slab(address);
  if (slab == nullptr) return outside_fiber_at(address);
  const std::size_t stride = slab->stride.load(std::memory_order_relaxed);
  if (stride == 0) return 0;  // the slab goes away
  const auto index = static_cast<std::uint32_t>((address - slab->base.load(std::memory_order_relaxed)) / stride);
  return index < slab->carved.load(std::memory_order_relaxed) ? slab->descriptor(index)->owner : 0;
}

}  // namespace

std::string describe_object(const void* tagged, BlockReason reason) {
  if (tagged == nullptr) return {};
  constexpr const char* kNames[] = {"Once",    "Mutex",     "RWMutex", "WaitGroup",
                                    "CondVar", "Semaphore", "Channel", "Barrier"};
  const WaitKind kind = kind_of(tagged);
  if (kind == WaitKind::kByReason && reason == BlockReason::kNetwork) return "descriptor " + std::to_string(number_of(tagged));
  if (kind == WaitKind::kByReason && reason != BlockReason::kSync) return {};
  char text[64];
  std::snprintf(text, sizeof text, "%s 0x%llx", kNames[static_cast<std::size_t>(kind)],
                static_cast<unsigned long long>(address_of(tagged)));
  return text;
}

Hold hold_of(const void* tagged, BlockReason reason) noexcept {
  Hold hold;
  if (tagged == nullptr || reason != BlockReason::kSync) return hold;
  const WaitKind kind = kind_of(tagged);
  hold.is_lock = kind == WaitKind::kMutex || kind == WaitKind::kRWMutex || kind == WaitKind::kByReason;
  LockWord word;
  if (!hold.is_lock || !copy_memory(address_of(tagged), &word, sizeof word)) return hold;
  if ((word.state & LockWord::kHeld) != 0) {
    hold.fiber = fiber_at(word.holder);
  } else if (kind == WaitKind::kRWMutex) {
    hold.readers = word.state / LockWord::kReader;
  }
  return hold;
}

std::vector<std::vector<LockWait>> find_circles(const std::vector<LockWait>& waits) {
  // Each fiber waits for one lock at most, so from each there is one way to go.
  std::unordered_map<std::uint64_t, const LockWait*> by_waiter;
  for (const LockWait& wait : waits) by_waiter.emplace(wait.waiter, &wait);
  std::vector<std::vector<LockWait>> circles;
  std::set<std::uint64_t> done;
  for (const LockWait& first : waits) {
    std::vector<const LockWait*> path;
    std::unordered_map<std::uint64_t, std::size_t> place;
    auto at = by_waiter.find(first.waiter);
    while (at != by_waiter.end() && !done.contains(at->first) && !place.contains(at->first)) {
      place.emplace(at->first, path.size());
      path.push_back(at->second);
      at = by_waiter.find(at->second->holder);
    }
    if (at != by_waiter.end() && place.contains(at->first)) {
      std::vector<LockWait>& circle = circles.emplace_back();
      for (std::size_t i = place[at->first]; i < path.size(); ++i) circle.push_back(*path[i]);
    }
    for (const LockWait* wait : path) done.insert(wait->waiter);
  }
  return circles;
}

std::string describe_circles(const std::vector<std::vector<LockWait>>& circles,
                             const std::map<std::uint64_t, std::string>& names) {
  const auto show = [&names](std::uint64_t id) {
    const auto found = names.find(id);
    return "fiber " + (found == names.end() ? std::to_string(id) : found->second);
  };
  std::string text;
  for (const std::vector<LockWait>& circle : circles) {
    text += circle.size() == 1 ? "a fiber waits for a lock that it holds itself:\n"
                               : std::to_string(circle.size()) + " fibers wait for one another's locks:\n";
    for (const LockWait& wait : circle) {
      text += "    " + show(wait.waiter) + " waits for " + describe_object(wait.lock, BlockReason::kSync) + ", held by " +
              (wait.holder == wait.waiter ? "itself" : show(wait.holder)) + "\n";
    }
    text += "\n";
  }
  return text;
}

}  // namespace creel::sched
