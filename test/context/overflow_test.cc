// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/overflow.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>

#include "test/context/fixture.h"

namespace creel::sched::test {
namespace {

constexpr std::size_t kSize = 64 << 10;

volatile int enough = -1;  // the depth at which recurse() ends: never reached

__attribute__((noinline)) int recurse(int depth) {
  if (depth == enough) return 0;
  volatile char frame[512];
  std::memset(const_cast<char*>(frame), depth, sizeof(frame));
  return recurse(depth + 1) + frame[depth % 512];
}

#if !defined(CREEL_ASAN) && !defined(CREEL_TSAN)
__attribute__((noinline)) void large_frame() {
  volatile char frame[200 << 10];
  asm volatile("" : : "r"(frame) : "memory");    // the compiler must keep all of it
  frame[sizeof(frame) - (64 << 10) - 8192] = 1;  // sp is beyond the guard, the access within it
}
#endif

bool lookup(std::uint64_t id, OverflowInfo& info) noexcept {
  if (id != 7) return false;
  info = {.name = "worker", .file = "file.cc", .line = 12, .creator = 1};
  return true;
}

void overflow(GuardKind guard, std::uint64_t owner, void (*how)()) {
  StackPool pool(kSize, guard);
  const ThreadAltStack alternate;
  install_overflow_handler(lookup);
  ThreadContext thread;
  Coroutine coroutine(pool, [how](Coroutine&) { how(); });
  coroutine.stack().owner = owner;
  coroutine.resume(thread);
}

void by_recursion() { recurse(0); }

#if defined(CREEL_ASAN)
constexpr const char* kBytes = "1048576";
#else
constexpr const char* kBytes = "65536";
#endif

TEST(OverflowDeathTest, NamesFiberSizeAndSite) {
  const std::string expected = std::string("creel: stack overflow: fiber 7 \\(worker\\) exceeded its stack of ") +
                               kBytes +
                               " bytes \\(created at file.cc:12 by fiber 1\\); raise Options::stack_size or "
                               "CREEL_STACK_SIZE\n  #0 0x";
  EXPECT_DEATH(overflow(GuardKind::kProtect, 7, by_recursion), expected);
}

TEST(OverflowDeathTest, WorksWithGuardMarkers) {
  StackPool pool(kSize, GuardKind::kMarker);
  std::error_code error;
  if (pool.allocate(0, error) == nullptr) GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL";
  EXPECT_DEATH(overflow(GuardKind::kMarker, 7, by_recursion), "creel: stack overflow: fiber 7");
}

TEST(OverflowDeathTest, UnknownFiberIsReportedById) {
  EXPECT_DEATH(overflow(GuardKind::kAuto, 9, by_recursion), "stack overflow: fiber 9 exceeded");
}

TEST(OverflowDeathTest, PrintsInnermostAndOutermostFrames) {
  EXPECT_DEATH(overflow(GuardKind::kAuto, 7, by_recursion), "  #15 0x.*\n  ... [0-9]+ frames\n  #[0-9]+ 0x");
}

#if !defined(CREEL_ASAN) && !defined(CREEL_TSAN)
TEST(OverflowDeathTest, LargeFrameWithinReachOfTheGuard) {
  EXPECT_DEATH(overflow(GuardKind::kAuto, 7, large_frame), "stack overflow: fiber 7");
}

TEST(OverflowDeathTest, DiesOfTheOriginalSignal) {
  EXPECT_EXIT(overflow(GuardKind::kAuto, 7, by_recursion), ::testing::KilledBySignal(SIGSEGV), "stack overflow");
}

TEST(OverflowDeathTest, OtherFaultsAreNotReported) {
  const auto null_write = [] {
    const ThreadAltStack alternate;
    install_overflow_handler(lookup);
    volatile char* volatile nowhere = nullptr;
    *nowhere = 1;
  };
  EXPECT_EXIT(null_write(), ::testing::KilledBySignal(SIGSEGV), "^$");
}

TEST(OverflowDeathTest, StrayWriteToAGuardIsNotCalledAnOverflow) {
  const auto stray = [] {
    StackPool pool(kSize);
    const ThreadAltStack alternate;
    install_overflow_handler(lookup);
    std::error_code error;
    Stack* const stack = pool.allocate(0, error);
    *reinterpret_cast<volatile char*>(stack->bounds.low - 1) = 1;
  };
  EXPECT_EXIT(stray(), ::testing::KilledBySignal(SIGSEGV), "^$");
}

TEST(OverflowDeathTest, SentSignalStillKills) {
  const auto sent = [] {
    install_overflow_handler(lookup);
    std::raise(SIGSEGV);
    std::_Exit(0);
  };
  EXPECT_EXIT(sent(), ::testing::KilledBySignal(SIGSEGV), "^$");
}

TEST(OverflowDeathTest, PreviousHandlerRunsAfterTheReport) {
  const auto chained = [] {
    struct sigaction action{};
    action.sa_flags = SA_ONSTACK;
    action.sa_handler = [](int) { std::_Exit(42); };
    sigaction(SIGSEGV, &action, nullptr);
    overflow(GuardKind::kAuto, 7, by_recursion);
  };
  EXPECT_EXIT(chained(), ::testing::ExitedWithCode(42), "stack overflow: fiber 7");
}
#endif

TEST(Overflow, UninstallPutsThePreviousHandlerBack) {
  struct sigaction before{};
  struct sigaction during{};
  struct sigaction after{};
  sigaction(SIGSEGV, nullptr, &before);
  install_overflow_handler(lookup);
  install_overflow_handler(lookup);  // a second time changes nothing
  sigaction(SIGSEGV, nullptr, &during);
  uninstall_overflow_handler();
  sigaction(SIGSEGV, nullptr, &after);
  EXPECT_NE(during.sa_sigaction, before.sa_sigaction);
  EXPECT_EQ(after.sa_sigaction, before.sa_sigaction);
}

TEST(ThreadAltStack, RestoresThePreviousStack) {
  stack_t before{};
  stack_t during{};
  stack_t after{};
  sigaltstack(nullptr, &before);
  {
    const ThreadAltStack alternate;
    sigaltstack(nullptr, &during);
    EXPECT_NE(during.ss_sp, before.ss_sp);
    EXPECT_EQ(during.ss_flags & SS_DISABLE, 0);
  }
  sigaltstack(nullptr, &after);
  EXPECT_EQ(after.ss_sp, before.ss_sp);
  EXPECT_EQ(after.ss_flags, before.ss_flags);
}

}  // namespace
}  // namespace creel::sched::test
