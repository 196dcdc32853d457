// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What a Section does to its worker's word: three instructions in all while tracing is off.
//
//   bit 63    "look": the Section has to look at g_generation. Set and cleared by the recorder
//   the rest  counts entries and exits, so it is odd inside a Section. Advanced by the owner
//
// On x86-64 the owner's step is one plain `inc` of memory, whose sign flag is the look bit. A locked read-modify-write of
// the recorder never loses such a step, but a step may lose the recorder's bit: its store goes out after that of the
// recorder. set_look() is therefore to be repeated until the bit is seen to stay after a barrier on all of the process's
// threads (membarrier): an instruction is not interrupted half-way, so by then each step either has stored, and what
// it wrote shows, or is yet to load the bit. Elsewhere, and under TSan, the step is an atomic addition.
// Thread safety: as said for each function.

#pragma once

#include <atomic>
#include <cstdint>

#if defined(__SANITIZE_THREAD__)
#define CREEL_ATOMIC_STEP
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CREEL_ATOMIC_STEP
#endif
#endif
#if !defined(__x86_64__) && !defined(CREEL_ATOMIC_STEP)
#define CREEL_ATOMIC_STEP
#endif

namespace creel::tracer {

class OpSeq {
 public:
  // Enters a Section. Returns the look bit. Caller: the owner.
  [[nodiscard]] bool enter() noexcept {
#if defined(CREEL_ATOMIC_STEP)
    const std::uint64_t before = word_.fetch_add(1, std::memory_order_acquire);  // pairs with set_look()
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the barrier itself is the recorder's membarrier
    return (before & kLook) != 0;
#else
    bool look;  // a load is an acquire on x86-64
    asm volatile("incq %0" : "+m"(word_), "=@ccs"(look) : : "memory");
    return look;
#endif
  }
  // Leaves it. What was written inside is visible to who sees the new count by count(). Caller: the owner.
  void leave() noexcept {
#if defined(CREEL_ATOMIC_STEP)
    word_.fetch_add(1, std::memory_order_release);  // pairs with count()
#else
    asm volatile("incq %0" : "+m"(word_) : : "memory", "cc");  // a store is a release on x86-64
#endif
  }
  // Entries and exits so far; odd: inside a Section. Any thread.
  [[nodiscard]] std::uint64_t count() const noexcept {
    return word_.load(std::memory_order_acquire) & ~kLook;  // pairs with leave()
  }
  // Sets or clears the look bit; false: it was so already. Caller: the recorder, and see above.
  bool set_look(bool on) noexcept {
    if (((word_.load(std::memory_order_relaxed) & kLook) != 0) == on) return false;
    // Acquire as in count(). Release pairs with enter(): a Section that finds tracing off comes after what was done to its
    // worker before that.
    if (on) {
      word_.fetch_or(kLook, std::memory_order_acq_rel);
    } else {
      word_.fetch_and(~kLook, std::memory_order_acq_rel);
    }
    return true;
  }

 private:
  static constexpr std::uint64_t kLook = std::uint64_t{1} << 63;
  std::atomic<std::uint64_t> word_{0};
};

}  // namespace creel::tracer

#undef CREEL_ATOMIC_STEP
