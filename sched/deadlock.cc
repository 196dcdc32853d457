// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Go's "all goroutines are asleep": nothing can ever run again.

#include <cstdlib>
#include <mutex>

#include "creel/sched/dump.h"
#include "creel/sched/scheduler.h"

namespace creel::sched {

// Called under s.lock by a worker that is about to park. All workers parked means: none runs, looks for work, waits in
// the poller (for a timer or the network) or sits in a blocking section.
void check_deadlock(Scheduler& s) {
  if (s.idle_worker_count < s.live_workers || s.stopping.load(std::memory_order_relaxed)) return;
  // A worker that is being started is not idle; work submitted before that counts too.
  if (s.poller->has_waiters() || s.global_queue.size() > 0) return;
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  for (std::uint32_t id = 0; id < made; ++id) {
    const Processor* p = s.proc(id);
    if (!p->queue.empty() || p->runnext.load(std::memory_order_relaxed) != nullptr) return;
    if (p->timers.next_when() != TimerHeap::kNever) return;
  }
  if (s.reporting.exchange(true, std::memory_order_relaxed)) return;
  report_deadlock(s);
}

}  // namespace creel::sched
