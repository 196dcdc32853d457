// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/stuck_report.h"

#include <pthread.h>

#include <system_error>

#include "creel/sched/base/log.h"
#include "creel/sched/dump.h"

namespace creel::sched {

StuckReporter::~StuckReporter() {
  if (thread_.joinable()) thread_.join();
}

bool StuckReporter::report(std::uint32_t proc, std::int64_t milliseconds, std::uint64_t worker) {
  if (busy_.load(std::memory_order_acquire)) return false;  // pairs with the thread's release
  if (thread_.joinable()) thread_.join();
  busy_.store(true, std::memory_order_relaxed);
  try {
    thread_ = std::thread([this, proc, milliseconds, worker] {
      pthread_setname_np(pthread_self(), "creel-report");
      log_stuck(proc, milliseconds, describe_fiber_on(scheduler_, worker));
      busy_.store(false, std::memory_order_release);  // pairs with the acquire in report()
    });
  } catch (const std::system_error&) {  // no thread: said without the stack
    log_stuck(proc, milliseconds, {});
    busy_.store(false, std::memory_order_relaxed);
  }
  return true;
}

}  // namespace creel::sched
