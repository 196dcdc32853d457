// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The number of processors, and its change while the runtime runs.
//
// Go stops the world for this. Here nothing stops: growing makes Ps and lists them as idle; shrinking marks the surplus
// Ps as retired, takes the idle ones off the list, and asks the holders of the others to give them up at their next safe
// point. Until then more fibers than asked for may run at once; a fiber that never reaches a safe point keeps its P.
// Processors are never freed before the scheduler, so ids stay dense and a later growth finds the old ones.

#include "creel/sched/procs.h"

#include <mutex>
#include <stdexcept>
#include <string>

#include "creel/sched/base/check.h"
#include "creel/sched/park.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"
#include "creel/tracer/hook.h"

namespace creel::sched {

Processor* make_proc(Scheduler& s) {
  const std::uint32_t id = s.made_procs.load(std::memory_order_relaxed);
  auto* proc = new Processor;
  proc->id = id;
  proc->status.store(tracer::ProcStatus::kIdle, std::memory_order_relaxed);
  s.processors[id].store(proc, std::memory_order_relaxed);
  s.made_procs.store(id + 1, std::memory_order_release);  // pairs with the acquire of whoever iterates
  return proc;
}

std::uint32_t processor_count() {
  const SchedulerReader reader;
  return reader.get() == nullptr ? 0 : reader.get()->procs.load(std::memory_order_relaxed);
}

std::uint32_t change_processor_count(std::uint32_t count) {
  if (count < 1 || count > kMaxProcs) {
    throw std::invalid_argument("creel::set_procs(" + std::to_string(count) + "): accepted are 1 to " +
                                std::to_string(kMaxProcs));
  }
  static_cast<void>(current_fiber("creel::set_procs()"));
  Worker* worker = this_worker();
  Scheduler& s = worker->scheduler;
  if (s.deterministic()) {
    if (count != 1) s.fuzz->tell_of(Fuzz::Outside::kProcs);
    return 1;
  }
  std::uint32_t before = 0;
  {
    std::lock_guard guard(s.lock);
    before = s.procs.load(std::memory_order_relaxed);
    while (s.made_procs.load(std::memory_order_relaxed) < count) {
      Processor* proc = make_proc(s);
      proc->retired.store(true, std::memory_order_relaxed);  // brought in below, as the others
      proc->status.store(tracer::ProcStatus::kDead, std::memory_order_relaxed);
    }
    s.procs.store(count, std::memory_order_seq_cst);
    for (std::uint32_t id = before; id < count; ++id) {
      Processor* proc = s.proc(id);
      proc->retired.store(false, std::memory_order_seq_cst);
      // kDead: given up by its last holder, or new. Otherwise its holder has not noticed yet, and just keeps it.
      if (proc->status.load(std::memory_order_relaxed) == tracer::ProcStatus::kDead) {
        proc->status.store(tracer::ProcStatus::kIdle, std::memory_order_relaxed);
        put_idle_proc(s, proc);
      }
    }
    Processor* keep = nullptr;
    while (Processor* proc = take_idle_proc(s)) {
      if (proc->id >= count) {
        proc->retired.store(true, std::memory_order_seq_cst);
        put_idle_proc(s, proc);  // does not list it
      } else {
        proc->next_idle = keep;
        keep = proc;
      }
    }
    while (keep != nullptr) {
      Processor* proc = keep;
      keep = proc->next_idle;
      put_idle_proc(s, proc);
    }
    for (std::uint32_t id = count; id < s.made_procs.load(std::memory_order_relaxed); ++id) {
      Processor* proc = s.proc(id);
      proc->retired.store(true, std::memory_order_seq_cst);
      // Its holder, if any, is to notice; one that is about to start it looks at retired itself (acquire_proc).
      if (proc->status.load(std::memory_order_relaxed) != tracer::ProcStatus::kDead) raise_attention(*proc);
    }
  }
  {
    tracer::Section section(*worker);
    if (section) section.procs_change(count);
  }
  // What idle Ps that went away still had (timers) is collected by the workers' next search. Also when there are fewer: the
  // idle list was empty for a moment above, so work submitted then has woken nobody.
  wake_one(s);
  wake_monitor(s);
  safe_point();
  return before;
}

void empty_retired_proc(Worker& worker, Processor* proc) {
  Scheduler& s = worker.scheduler;
  if (Fiber* next = proc->runnext.exchange(nullptr, std::memory_order_acq_rel)) s.global_queue.push(next);
  while (Fiber* fiber = proc->queue.pop()) s.global_queue.push(fiber);
  proc->timers.move_to(s.proc(0)->timers);
  proc->stacks.drain(s.stack_pool);
  proc->fibers.drain(s.fiber_pool);
  if (worker.spinning) {
    worker.spinning = false;
    s.spinning.fetch_sub(1, std::memory_order_seq_cst);
  }
  release_proc(worker);
  {
    std::lock_guard guard(s.lock);
    put_idle_proc(s, proc);
  }
  wake_one(s);
  wake_for_timer(s, s.proc(0)->timers.next_when());
}

}  // namespace creel::sched
