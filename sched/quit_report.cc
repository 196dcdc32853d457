// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/quit_report.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>

#include "creel/sched/dump.h"
#include "creel/sched/late_names.h"
#include "creel/sched/platform/futex.h"
#include "creel/sched/scheduler.h"

namespace creel::sched {
namespace {

// Handlers that may be using the scheduler. seq_cst: a handler counts itself, then reads scheduler(); the end of a runtime
// clears that, then reads the count.
std::atomic<std::uint32_t> inside{0};

}  // namespace

bool request_quit_report() noexcept {
  inside.fetch_add(1, std::memory_order_seq_cst);
  Scheduler* s = scheduler();
  if (s != nullptr) {
    s->quit_requested.store(true, std::memory_order_seq_cst);
    wake_monitor(*s);
  }
  inside.fetch_sub(1, std::memory_order_seq_cst);
  return s != nullptr;
}

void await_quit_requests() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  while (inside.load(std::memory_order_seq_cst) != 0) sched_yield();
}

void serve_quit_request(Scheduler& s) {
  if (s.quit_requested.load(std::memory_order_seq_cst)) end_with_dump(s, "SIGQUIT: quit", dump_fibers);
}

void await_quit_request_main(Scheduler* scheduler) {
  Scheduler& s = *scheduler;
  pthread_setname_np(pthread_self(), "creel-quit");
  for (;;) {
    // Read before what it announces: a change in between ends the wait at once.
    const std::uint32_t word = s.monitor_word.load(std::memory_order_seq_cst);
    if (s.stopping.load(std::memory_order_seq_cst)) return;
    serve_quit_request(s);
    serve_names();
    futex_wait(s.monitor_word, word, std::chrono::nanoseconds(-1));
  }
}

}  // namespace creel::sched
