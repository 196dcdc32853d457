// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The monitor: a thread of its own, without a P, that watches the others. Source: sysmon/retake of Go's runtime/proc.go.
//
// Each round (20 us, doubling to 10 ms after 50 quiet rounds):
//  - retakes the P of a fiber that has been in a blocking section for at least one round, if there is work or it took 10 ms;
//  - asks a fiber that has used its 10 ms slice to stop at its next safe point;
//  - logs, once and with its stack, a fiber that has had its thread for another 100 ms after a first 110 ms without reaching one;
//  - writes the lines of CREEL_SCHEDTRACE and, asked by SIGQUIT, the dump of all fibers;
//  - polls the network if nobody did for 10 ms; starts a worker if work or a due timer waits while a P is idle;
//  - gives back memory of stacks that nobody has used for a second.
// Sleeps while all processors are idle (no idle burn) and no memory waits to be given back; take_idle_proc() wakes it. The
// short rounds begin anew after such a sleep only where OneByOne says so (README.md, "The monitor's rounds").

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "creel/sched/late_names.h"
#include "creel/sched/one_by_one.h"
#include "creel/sched/park.h"
#include "creel/sched/platform/thread_state.h"
#include "creel/sched/preempt.h"
#include "creel/sched/quit_report.h"
#include "creel/sched/sched_trace.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/stuck_report.h"
#include "creel/sched/thread_start.h"
#include "creel/tracer/hook.h"
#include "creel/tracer/recorder.h"

namespace creel::sched {

using tracer::ProcStatus;
using tracer::Section;

namespace {

constexpr std::int64_t kSlice = 10'000'000;        // ns, Go's forcePreemptNS
constexpr std::int64_t kStuck = 100'000'000;       // ns without a safe point before it is reported
constexpr std::int64_t kMinRound = 20'000;         // ns
constexpr std::int64_t kMaxRound = 10'000'000;     // ns
constexpr std::int64_t kLeftOutWake = 200'000;     // ns a fiber waits at most for a wake that was left out (idle.cc)
constexpr std::int64_t kAfterPreempt = 100'000;    // ns until the successor of a preempted fiber is looked for
constexpr int kQuietRounds = 50;

// Takes `proc` from the worker that is in a blocking section with it. The event and the exchange are in one Section; the
// word is read before it (blocking.cc says why).
bool steal_proc(Worker& self, Processor& proc) {
  std::uint64_t section_word = proc.syscall_section.load(std::memory_order_acquire);  // pairs with the owner's release
  if (section_word == 0) return false;
  const std::uint64_t victim = section_word >> 32;
  Section section(self);
  // Acq_rel pairs with the owner's compare-exchange on leaving.
  if (!proc.syscall_section.compare_exchange_strong(section_word, 0, std::memory_order_acq_rel)) return false;
  if (section) section.proc_steal(proc, victim);
  proc.status.store(ProcStatus::kIdle, std::memory_order_relaxed);
  proc.holder.store(0, std::memory_order_relaxed);
  EventCounters::add(self.scheduler.events.retakes);
  self.scheduler.events.blocking_without_p.fetch_add(1, std::memory_order_relaxed);
  return true;
}

// Logs a fiber that has kept its P for kStuck from the first call on: running, or blocked in the kernel. On an overloaded
// machine its thread may just not have had a CPU; then the fiber is not to blame.
void report_if_stuck(StuckReporter& reporter, Processor& proc, std::int64_t now) {
  const std::uint64_t holder = proc.holder.load(std::memory_order_relaxed);
  const std::int64_t ran = cpu_time_ns(holder);
  if (proc.stuck_since == 0 || proc.stuck_holder != holder) {
    proc.stuck_since = now;
    proc.stuck_holder = holder;
    proc.stuck_ran = ran;
    return;
  }
  const std::int64_t kept = now - proc.stuck_since;
  if (kept < kStuck || (is_runnable(holder) && ran >= 0 && ran - proc.stuck_ran < kStuck)) return;
  proc.reported_stuck = reporter.report(proc.id, kept / 1'000'000, holder);
}

// The slice of a processor's fiber. Lowers `due`, the time until the next look, to when the slice ends: else slices would
// last up to two rounds.
void watch_slice(StuckReporter& reporter, Processor& proc, std::int64_t now, bool running, std::int64_t& due) {
  const std::uint32_t tick = proc.sched_tick.load(std::memory_order_relaxed);
  const std::int64_t used = now - proc.seen_sched_when;
  if (tick != proc.seen_sched_tick) {
    proc.seen_sched_tick = tick;
    proc.seen_sched_when = now;
    proc.reported_stuck = false;
    proc.stuck_since = 0;
    due = std::min(due, kSlice);
  } else if (used < kSlice) {
    due = std::min(due, kSlice - used);
  } else {
    if (raise_attention(proc)) due = std::min(due, kAfterPreempt);
    if (running && used >= kSlice + kStuck && !proc.reported_stuck) report_if_stuck(reporter, proc, now);
  }
}

// One processor's round. Returns whether something was done.
bool watch(Worker& self, StuckReporter& reporter, Processor& proc, std::int64_t now, std::int64_t& due) {
  Scheduler& s = self.scheduler;
  const ProcStatus status = proc.status.load(std::memory_order_relaxed);
  if (status == ProcStatus::kRunning || status == ProcStatus::kSyscall) {
    watch_slice(reporter, proc, now, status == ProcStatus::kRunning, due);
  }
  if (status != ProcStatus::kSyscall) return false;
  const std::uint32_t tick = proc.syscall_tick.load(std::memory_order_relaxed);
  if (tick != proc.seen_syscall_tick) {
    proc.seen_syscall_tick = tick;
    proc.seen_syscall_when = now;
    return false;
  }
  // Nothing to run and others are looking: let it be for 10 ms, in case it comes back.
  const bool local = !proc.queue.empty() || proc.runnext.load(std::memory_order_relaxed) != nullptr;
  const bool others = s.spinning.load(std::memory_order_relaxed) + s.idle_proc_count.load(std::memory_order_relaxed) > 0;
  const bool timers = proc.timers.next_when() <= now;
  if (!local && !timers && others && s.global_queue.size() <= 0 && now - proc.seen_syscall_when < kSlice) return false;
  if (!steal_proc(self, proc)) return false;
  hand_off_proc(s, &proc);
  return true;
}

// Work that waits although a P is idle: e.g. a queue whose owner keeps running, a timer of a busy P.
void rouse(Scheduler& s, std::int64_t now) {
  if (s.idle_proc_count.load(std::memory_order_relaxed) == 0) return;
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  bool work = s.global_queue.size() > 0;
  for (std::uint32_t i = 0; i < made && !work; ++i) {
    Processor* p = s.proc(i);
    // The same fiber next in line for a whole round in which the P switched to nobody.
    Fiber* next = p->runnext.load(std::memory_order_relaxed);
    const std::uint32_t starts = p->starts.load(std::memory_order_relaxed);
    work = !p->queue.empty() || p->timers.next_when() <= now ||
           (next != nullptr && next == p->seen_next && starts == p->seen_starts);
    p->seen_next = next;
    p->seen_starts = starts;
  }
  if (work) wake_one(s);
}

void poll_network(Worker& self, std::int64_t now) {
  Scheduler& s = self.scheduler;
  std::int64_t last = s.last_poll.load(std::memory_order_seq_cst);
  if (last == 0 || now - last < kSlice || !s.poller->has_waiters()) return;
  if (!s.last_poll.compare_exchange_strong(last, now, std::memory_order_seq_cst)) return;
  std::uint64_t count = 0;
  for (Fiber* list = s.poller->poll(0); list != nullptr; ++count) {
    Fiber* fiber = list;
    list = list->next;
    ready(fiber);
  }
  if (count != 0) EventCounters::add(s.events.poll_fibers, count);
  if (count > 1) EventCounters::add(s.events.poll_groups);
}

OneByOne::Counts activity(const Scheduler& s) noexcept {
  OneByOne::Counts counts;
  counts.poll_groups = s.events.poll_groups.load(std::memory_order_relaxed);
  counts.poll_fibers = s.events.poll_fibers.load(std::memory_order_relaxed);
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < made; ++i) counts.starts += s.proc(i)->starts.load(std::memory_order_relaxed);
  return counts;
}

// Sleeps while every processor is idle, or until memory is due to be given back. Returns for how many ns.
std::int64_t sleep_if_idle(Scheduler& s) {
  if (s.config.sched_trace_ms != 0) return 0;  // lines are wanted while all is quiet, too
  if (s.idle_proc_count.load(std::memory_order_relaxed) < s.procs.load(std::memory_order_relaxed)) return 0;
  std::int64_t slept = 0;
  const std::uint32_t word = s.monitor_word.load(std::memory_order_seq_cst);
  s.monitor_sleeps.store(true, std::memory_order_seq_cst);
  // Announced, then looked again: take_idle_proc() lowers the count first and then reads the announcement.
  if (s.idle_proc_count.load(std::memory_order_seq_cst) >= s.procs.load(std::memory_order_seq_cst) &&
      !s.stopping.load(std::memory_order_seq_cst) && !s.quit_requested.load(std::memory_order_seq_cst)) {
    // After the look at the processors: what a fiber of theirs released is seen.
    const std::int64_t scavenge = s.stack_pool.scavenge(now_ns());
    const std::int64_t start = now_ns();
    futex_wait(s.monitor_word, word, std::chrono::nanoseconds(scavenge == StackPool::kNever ? -1 : scavenge));
    slept = now_ns() - start;
  }
  s.monitor_sleeps.store(false, std::memory_order_seq_cst);
  return slept;
}

}  // namespace

void wake_monitor(Scheduler& s) {
  s.monitor_word.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(s.monitor_word, 1);
}

void monitor_main(Scheduler* scheduler) {
  Scheduler& s = *scheduler;
  pthread_setname_np(pthread_self(), "creel-monitor");
  set_timer_slack();
  Worker self(s);
  self.id = static_cast<std::uint64_t>(gettid());
  self.random_state = self.id | 1;
  tracer::set_current_worker(&self);
  tracer::attach(self);
  SchedTrace trace(s, now_ns());
  StuckReporter reporter(s);
  std::int64_t round = kMinRound;
  std::int64_t due = kMinRound;
  int quiet = 0;
  OneByOne one_by_one;
  while (!s.stopping.load(std::memory_order_seq_cst)) {
    std::int64_t pause = std::min(round, due);
    if (trace.on()) pause = std::min(pause, trace.left(now_ns()));
    const std::uint32_t word = s.monitor_word.load(std::memory_order_relaxed);
    s.monitor_dozes.store(pause > kLeftOutWake, std::memory_order_seq_cst);
    if (s.skipped_wake.load(std::memory_order_seq_cst)) pause = std::min(pause, kLeftOutWake);
    futex_wait(s.monitor_word, word, std::chrono::nanoseconds(pause));
    s.monitor_dozes.store(false, std::memory_order_relaxed);
    const std::int64_t slept = sleep_if_idle(s);
    if (slept != 0 && one_by_one.look(activity(s), now_ns(), slept)) {
      round = kMinRound;
      quiet = 0;
    }
    serve_quit_request(s);
    serve_names();
    const std::int64_t now = now_ns();
    s.coarse_now.store(now, std::memory_order_relaxed);
    bool busy = false;
    due = s.skipped_wake.exchange(false, std::memory_order_relaxed) ? kLeftOutWake : kMaxRound;
    const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < made; ++i) busy = watch(self, reporter, *s.proc(i), now, due) || busy;
    poll_network(self, now);
    rouse(s, now);
    if (s.fuzz != nullptr) disturb_workers(s);
    static_cast<void>(s.stack_pool.scavenge(now));
    trace.tick(now);
    quiet = busy ? 0 : quiet + 1;
    if (busy) round = kMinRound;
    else if (quiet > kQuietRounds) round = std::min(round * 2, kMaxRound);
  }
  tracer::detach(self);
  tracer::set_current_worker(nullptr);
}

}  // namespace creel::sched
