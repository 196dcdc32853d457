// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/stats.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "creel/sched/park.h"
#include "creel/sched/scheduler.h"

namespace creel {

std::uint64_t LatencyHistogram::samples() const noexcept {
  std::uint64_t total = 0;
  for (const std::uint64_t count : counts) total += count;
  return total;
}

std::chrono::nanoseconds LatencyHistogram::quantile(double q) const noexcept {
  const std::uint64_t total = samples();
  if (total == 0) return std::chrono::nanoseconds(0);
  const double share = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
  const auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share)));
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  while (bucket + 1 < counts.size() && (seen += counts[bucket]) < wanted) ++bucket;
  return std::chrono::nanoseconds(std::int64_t{1} << bucket);
}

namespace sched {

namespace {

// The real time, in a deterministic run, too: a look at virtual time moves it.
std::int64_t real_now_ns() noexcept { return std::chrono::steady_clock::now().time_since_epoch().count(); }

}  // namespace

__attribute__((noinline)) void stamp_runnable(Worker& worker, Fiber& fiber) noexcept {
  // 128 to 383 transitions from now: 256 on average.
  worker.sample_in = 128 + (fast_random() & 255);
  fiber.since_ns = real_now_ns();
  fiber.reason = kSampled;
}

__attribute__((noinline)) void record_latency(Worker& worker, Fiber& fiber) noexcept {
  fiber.reason = tracer::BlockReason::kUnspecified;
  bump(worker.processor()->counters.latency[latency_bucket(real_now_ns() - fiber.since_ns)]);
}

Stats collect_stats(Scheduler& s) {
  Stats stats;
  std::uint64_t running_procs = 0;
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  // Ends before creations: a fiber is counted as created before it is as ended, so `live` is never negative.
  for (std::uint32_t id = 0; id < made; ++id) stats.ended += s.proc(id)->counters.ended.load(std::memory_order_acquire);
  for (std::uint32_t id = 0; id < made; ++id) {
    Processor& proc = *s.proc(id);
    const ProcCounters& counters = proc.counters;
    stats.created += counters.created.load(std::memory_order_relaxed);
    stats.parks += counters.parks.load(std::memory_order_relaxed);
    stats.preempted += counters.preempted.load(std::memory_order_relaxed);
    stats.steals += counters.steals.load(std::memory_order_relaxed);
    stats.stolen += counters.stolen.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < kLatencyBuckets; ++i) {
      stats.latency.counts[i] += counters.latency[i].load(std::memory_order_relaxed);
    }
    const std::uint32_t queued =
        proc.queue.size() + (proc.runnext.load(std::memory_order_relaxed) != nullptr ? 1 : 0);
    stats.local_queues.push_back(queued);
    stats.runnable += queued;
    stats.timers += proc.timers.size();
    const tracer::ProcStatus status = proc.status.load(std::memory_order_relaxed);
    if (status == tracer::ProcStatus::kRunning) ++running_procs;
    if (status == tracer::ProcStatus::kSyscall) ++stats.blocking;
  }
  stats.global_queue = static_cast<std::uint64_t>(std::max<std::int64_t>(0, s.global_queue.size()));
  stats.runnable += stats.global_queue;
  stats.blocking +=
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, s.events.blocking_without_p.load(std::memory_order_relaxed)));
  stats.retakes = s.events.retakes.load(std::memory_order_relaxed);
  stats.worker_starts = s.events.worker_starts.load(std::memory_order_relaxed);
  stats.worker_wakes = s.events.worker_wakes.load(std::memory_order_relaxed);
  stats.poll_wakes = s.events.poll_wakes.load(std::memory_order_relaxed);
  stats.poll_fibers = s.events.poll_fibers.load(std::memory_order_relaxed);
  stats.procs = s.procs.load(std::memory_order_relaxed);
  stats.idle_procs = s.idle_proc_count.load(std::memory_order_relaxed);
  stats.spinning = s.spinning.load(std::memory_order_relaxed);
  {
    std::lock_guard guard(s.lock);
    stats.workers = s.live_workers;
    stats.idle_workers = s.idle_worker_count;
    stats.blocking -= std::min<std::uint64_t>(stats.blocking, threads_in_no_call(s));
  }
  const StackPool::Stats stacks = s.stack_pool.stats();
  stats.stack_bytes = stacks.mapped_bytes;
  stats.stacks = stacks.stacks_total;
  stats.stacks_free = stacks.stacks_free;

  // The four states add up to `live`, whatever changed while the figures were read.
  stats.live = stats.created - std::min(stats.created, stats.ended);
  std::uint64_t left = stats.live;
  const auto share = [&left](std::uint64_t wanted) {
    const std::uint64_t got = std::min(wanted, left);
    left -= got;
    return got;
  };
  stats.running = share(running_procs - std::min<std::uint64_t>(running_procs, stats.spinning));
  stats.blocking = share(stats.blocking);
  stats.runnable = share(stats.runnable);
  stats.waiting = left;
  return stats;
}

}  // namespace sched

}  // namespace creel
