// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// SIGQUIT: the dump of all fibers.

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

std::atomic<int> stuck{0};

__attribute__((noinline)) void loop_for_ever() {
  stuck.fetch_add(1);
  volatile bool for_ever = true;
  while (for_ever) {
  }
}

__attribute__((noinline)) void pause_for_ever() {
  stuck.fetch_add(1);
  for (;;) ::pause();
}

// Sends SIGQUIT to the process when `count` fibers are stuck.
void send_quit_when_stuck(int count) {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  std::thread([count] {
    while (stuck.load() != count) std::this_thread::yield();
    kill(getpid(), SIGQUIT);
  }).detach();
}

bool is_default(int number) {
  struct sigaction action {};
  return sigaction(number, nullptr, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

#if defined(CREEL_TSAN) || defined(CREEL_ASAN)  // whose part of the call hides the caller
constexpr const char* kBlocked = "\"blocker\" \\[running";
#else
constexpr const char* kBlocked = "pause_for_ever";
#endif

class QuitSignalDeathTest : public DeathTest {};

TEST_F(QuitSignalDeathTest, DumpsWhileAllWorkersLoop) {
  EXPECT_EXIT(
      {
        send_quit_when_stuck(2);
        creel::run({.procs = 2}, [] {
          creel::go({.name = "never ran"}, [] {});
          creel::go({.name = "looper"}, loop_for_ever);
          loop_for_ever();
        });
      },
      testing::ExitedWithCode(2), "creel: SIGQUIT: quit\n\n[^~]*fiber [0-9]+ \"looper\"");
}

TEST_F(QuitSignalDeathTest, DumpsWhileAllWorkersBlock) {
  EXPECT_EXIT(
      {
        send_quit_when_stuck(2);
        creel::run({.procs = 2}, [] {
          creel::go({.name = "blocker"}, pause_for_ever);
          pause_for_ever();
        });
      },
      testing::ExitedWithCode(2), std::string("creel: SIGQUIT: quit\n\n[^~]*") + kBlocked);
}

// A fiber is stuck in a write to stdout, whose lock it has: the report needs neither.
TEST_F(QuitSignalDeathTest, DumpsWhileStdoutIsStuck) {
  EXPECT_EXIT(
      {
        int ends[2];
        if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0) std::_Exit(1);
        send_quit_when_stuck(1);
        creel::run({.procs = 1}, [] {
          flockfile(stdout);
          std::setvbuf(stdout, nullptr, _IOFBF, 1);
          stuck.fetch_add(1);
          for (;;) std::fputs("nobody reads this\n", stdout);
        });
      },
      testing::ExitedWithCode(2), "creel: SIGQUIT: quit\n\n[^~]*fiber 1 \\[running");
}

TEST_F(QuitSignalDeathTest, DumpsWhileAllSleep) {
  EXPECT_EXIT(
      {
        send_quit_when_stuck(1);
        creel::run({.procs = 2}, [] {
          stuck.fetch_add(1);
          creel::sleep_for(std::chrono::hours(1));
        });
      },
      testing::ExitedWithCode(2), "creel: SIGQUIT: quit\n\nfiber 1 \\[(sleep|running)");
}

std::atomic<int> caught{0};

TEST(QuitSignal, LeavesAHandlerAlone) {
  const Watchdog watchdog;
  struct sigaction action {};
  action.sa_handler = [](int) { caught.fetch_add(1); };
  caught.store(0);
  ASSERT_EQ(sigaction(SIGQUIT, &action, nullptr), 0);
  run_with(2, [] {
    kill(getpid(), SIGQUIT);
    await([] { return caught.load() == 1; });
  });
  struct sigaction after {};
  ASSERT_EQ(sigaction(SIGQUIT, nullptr, &after), 0);
  EXPECT_EQ(after.sa_handler, action.sa_handler);
  signal(SIGQUIT, SIG_IGN);
  run_with(2, [] { kill(getpid(), SIGQUIT); });
  signal(SIGQUIT, SIG_DFL);
}

// Who asks for the signal gets it; afterwards it means a dump again.
TEST_F(QuitSignalDeathTest, GoesToWhoAsksForIt) {
  EXPECT_EXIT(
      creel::run({.procs = 2},
                 [] {
                   creel::Channel<int> signals(1);
                   creel::signal_notify(signals, SIGQUIT);
                   kill(getpid(), SIGQUIT);
                   if (signals.recv() != SIGQUIT) std::_Exit(1);
                   std::fprintf(stderr, "received\n");
                   creel::signal_stop(signals);
                   send_quit_when_stuck(1);
                   stuck.fetch_add(1);
                   creel::sleep_for(std::chrono::hours(1));
                 }),
      testing::ExitedWithCode(2), "received\ncreel: SIGQUIT: quit\n\n[^~]*fiber 1 \\[(sleep|running)");
}

// In a deterministic run there is no monitor.
TEST_F(QuitSignalDeathTest, DumpsADeterministicRun) {
  EXPECT_EXIT(
      {
        send_quit_when_stuck(1);
        creel::run({.fuzz = "deterministic:7"}, loop_for_ever);
      },
      testing::ExitedWithCode(2), "creel: SIGQUIT: quit\n[^~]*fiber 1 \\[running");
}

TEST(QuitSignal, IsInstalledDuringRunOnly) {
  const Watchdog watchdog;
  EXPECT_TRUE(is_default(SIGQUIT));
  for (int i = 0; i < 2; ++i) {
    run_with(1, [] { EXPECT_FALSE(is_default(SIGQUIT)); });
    EXPECT_TRUE(is_default(SIGQUIT));
  }
  creel::run({.dump_on_sigquit = false}, [] { EXPECT_TRUE(is_default(SIGQUIT)); });
}

TEST_F(QuitSignalDeathTest, IsLeftAloneIfNotWanted) {
  EXPECT_EXIT(
      {
        send_quit_when_stuck(1);
        creel::run({.procs = 1, .dump_on_sigquit = false}, pause_for_ever);
      },
      testing::KilledBySignal(SIGQUIT), "");
}

}  // namespace
}  // namespace creel::test
