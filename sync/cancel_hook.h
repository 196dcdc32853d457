// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What is told when a context ends: a wait, a child, an after_func(). See cancel_node.h for the rules.

#pragma once

#include <atomic>
#include <cstdint>

namespace creel::sync {

struct CancelHook {
  enum class Kind : std::uint8_t {
    kCall,   // fire(owner) is called: short, no park, no safe point, destroys nothing
    kChild,  // owner is a CancelNode, which ends too
    kTask,   // owner is a DetachedTask, which is started on a fiber of its own
  };
  enum class State : std::uint8_t { kIdle, kLinked, kFiring };

  CancelHook(Kind what, void* whose, void (*call)(void*) = nullptr) noexcept : kind(what), fire(call), owner(whose) {}
  CancelHook(const CancelHook&) = delete;
  CancelHook& operator=(const CancelHook&) = delete;

  const Kind kind;
  void (*const fire)(void* owner);
  void* const owner;
  // Guarded by the lock of the node it is linked to; after that by the canceller that took it off.
  CancelHook* next = nullptr;
  CancelHook* prev = nullptr;
  // Written under that lock, but for kFiring -> kIdle: release, the canceller's last touch; pairs with the acquire in
  // CancelNode::forget().
  std::atomic<State> state{State::kIdle};
};

}  // namespace creel::sync
