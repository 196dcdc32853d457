// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/sched_trace.h"

#include "creel/sched/base/log.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/stats.h"

namespace creel::sched {

std::string sched_line(const Stats& stats, std::int64_t elapsed_ns) {
  std::string line = "SCHED " + std::to_string(elapsed_ns / 1'000'000) + "ms:";
  const auto add = [&line](const char* name, std::uint64_t value) {
    line += std::string(" ") + name + "=" + std::to_string(value);
  };
  add("procs", stats.procs);
  add("idleprocs", stats.idle_procs);
  add("workers", stats.workers);
  add("spinning", stats.spinning);
  add("idleworkers", stats.idle_workers);
  add("runqueue", stats.global_queue);
  line += " [";
  // Ps that went away by set_procs() are not shown.
  for (std::size_t i = 0; i < stats.local_queues.size() && i < stats.procs; ++i) {
    line += (i == 0 ? "" : " ") + std::to_string(stats.local_queues[i]);
  }
  return line + "]";
}

SchedTrace::SchedTrace(Scheduler& s, std::int64_t now) noexcept
    : scheduler_(s), period_(std::int64_t{s.config.sched_trace_ms} * 1'000'000), began_(now), next_(now + period_) {}

void SchedTrace::tick(std::int64_t now) {
  if (!on() || now < next_) return;
  next_ += period_;
  if (next_ <= now) next_ = now + period_;  // late: lines left out are not made up for
  log_always(sched_line(collect_stats(scheduler_), now - began_));
}

}  // namespace creel::sched
