// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/runtime/quit_signal.h"

#include <signal.h>

#include <atomic>
#include <cerrno>

#include "creel/sched/quit_report.h"

namespace creel::runtime {
namespace {

std::atomic<bool> came{false};  // relaxed: read by the thread that has taken the handler away

void on_quit(int) {
  const int saved_errno = errno;
  came.store(true, std::memory_order_relaxed);
  // Before the first fiber, or after the last: the default action, which SA_RESETHAND has put back, once this returns.
  if (!sched::request_quit_report()) raise(SIGQUIT);
  errno = saved_errno;
}

}  // namespace

QuitSignal::QuitSignal(bool wanted) noexcept {
  struct sigaction current {};
  if (!wanted || sigaction(SIGQUIT, nullptr, &current) != 0) return;
  if ((current.sa_flags & SA_SIGINFO) != 0 || current.sa_handler != SIG_DFL) return;
  came.store(false, std::memory_order_relaxed);
  struct sigaction action {};
  action.sa_handler = on_quit;
  action.sa_flags = SA_ONSTACK | SA_RESETHAND;
#if !defined(CREEL_TSAN)  // which runs a handler at the thread's next call that it knows: a wait must end for that
  action.sa_flags |= SA_RESTART;
#endif
  sigemptyset(&action.sa_mask);
  installed_ = sigaction(SIGQUIT, &action, nullptr) == 0;
}

QuitSignal::~QuitSignal() {
  if (!installed_) return;
  struct sigaction current {};
  if (sigaction(SIGQUIT, nullptr, &current) == 0 && (current.sa_flags & SA_SIGINFO) == 0 && current.sa_handler == on_quit) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGQUIT, &action, nullptr);
  }
  if (came.load(std::memory_order_relaxed)) raise(SIGQUIT);
}

}  // namespace creel::runtime
