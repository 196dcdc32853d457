// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "creel/sched/platform/futex.h"

namespace creel::sched {

namespace {

// One system call. Errors (EAGAIN, EINTR, ETIMEDOUT) all mean "look again". False: ETIMEDOUT.
bool wait_once(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::chrono::nanoseconds timeout) noexcept {
  timespec limit{};
  timespec* limit_ptr = nullptr;
  if (timeout.count() >= 0) {
    limit.tv_sec = static_cast<time_t>(timeout.count() / 1'000'000'000);
    limit.tv_nsec = static_cast<long>(timeout.count() % 1'000'000'000);
    limit_ptr = &limit;
  }
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, limit_ptr, nullptr,
                 0) == 0 ||
         errno != ETIMEDOUT;
}

}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::chrono::nanoseconds timeout) noexcept {
#if defined(CREEL_TSAN)
  // The thread sanitizer puts signals off until the thread makes a call that it knows, which this one is not.
  constexpr std::chrono::milliseconds kSlice{20};
  while (timeout.count() < 0 || timeout > kSlice) {
    if (wait_once(word, expected, kSlice)) return;
    pthread_sigmask(SIG_BLOCK, nullptr, nullptr);
    if (timeout.count() >= 0) timeout -= kSlice;
  }
#endif
  wait_once(word, expected, timeout);
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace creel::sched
