// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What a parked fiber waits for, as one word: the object's address and, in its low bits, its kind.

#pragma once

#include <cstdint>

namespace creel::sched {

enum class WaitKind : std::uintptr_t {
  kByReason = 0,  // the reason of the wait tells: sync: a Once; network: a descriptor's number; others: no object
  kMutex,
  kRWMutex,
  kWaitGroup,
  kCondVar,
  kSemaphore,
  kChannel,
  kBarrier,
};
inline constexpr std::uintptr_t kWaitKindMask = 7;

// Requires: `object` is aligned to 8 bytes.
[[nodiscard]] inline const void* tag(const void* object, WaitKind kind) noexcept {
  return reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(object) | static_cast<std::uintptr_t>(kind));
}
[[nodiscard]] inline WaitKind kind_of(const void* tagged) noexcept {
  return static_cast<WaitKind>(reinterpret_cast<std::uintptr_t>(tagged) & kWaitKindMask);
}
[[nodiscard]] inline std::uintptr_t address_of(const void* tagged) noexcept {
  return reinterpret_cast<std::uintptr_t>(tagged) & ~kWaitKindMask;
}

// For kByReason. Requires: 0 <= `number` < INT_MAX.
[[nodiscard]] inline const void* tag_number(int number) noexcept {
  return reinterpret_cast<const void*>((static_cast<std::uintptr_t>(number) + 1) * (kWaitKindMask + 1));
}
[[nodiscard]] inline int number_of(const void* tagged) noexcept {
  return static_cast<int>(reinterpret_cast<std::uintptr_t>(tagged) / (kWaitKindMask + 1)) - 1;
}

// How a Mutex, an RWMutex and a Once begin, as a dump copies them: who holds them, and a word that tells whether anybody does.
struct LockWord {
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kReader = 16;  // RWMutex: one reader

  std::uint32_t state = 0;  // bit kHeld: taken now
  std::uint32_t unused = 0;
  // An address on the stack of who took it last (for writing; who runs the Once). Outdated between the taking and the store
  // after it; 0 while the lock is being handed over.
  std::uintptr_t holder = 0;
};

// Remembers the caller as holder: one plain store of its frame's address, which tells its stack and so the fiber, without
// looking up which fiber runs.
#define CREEL_FRAME_ADDRESS() reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0))

}  // namespace creel::sched
