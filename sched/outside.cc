// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Protocol of OutsideThread::state, which decides who may touch what when the runtime ends:
//   kNone    -> kInside   the thread attaches, under s.lock, unless the runtime ends already
//   kOutside -> kInside   the thread enters a call (acquire)
//   kInside  -> kOutside  it leaves it (release): its last touch of the scheduler came before
//   kOutside -> kNone     let_outside_threads_go(), under s.lock: the scheduler does not wait for the thread any more
//   kInside  -> kLast     the same, of a thread in a call: the scheduler waits for it until it leaves the call
//   kLast    -> kNone     the thread, under s.lock, with word to run_scheduler()
// The thread is counted in live_workers and listed in s.outside unless kNone.
//
// A fiber of a thread outside lies on a stack that is unmapped when the thread ends. Whoever walks stacks of parked fibers
// (a dump, a sweep of the tracer) must not be caught by that: the bounds are empty while the fiber is parked, before on_cpu
// says so and until it says otherwise, and records, which hold them, are never freed.

#include "creel/sched/outside.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <source_location>
#include <system_error>

#include "creel/sched/base/check.h"
#include "creel/sched/blocking.h"
#include "creel/sched/context.h"
#include "creel/sched/hand_over.h"
#include "creel/sched/spawn.h"
#include "creel/tracer/recorder.h"

namespace creel {

// Names the fibers of threads outside in traces and dumps.
struct Thread {};

namespace sched {

using tracer::FiberStatus;
using tracer::Section;
using tracer::StartCallable;

namespace {
enum class State : std::uint8_t { kNone, kOutside, kInside, kLast };
}  // namespace

struct OutsideThread {
  std::atomic<State> state{State::kNone};
  // The thread's, of the last time it attached. Replaced by the next: the end of a runtime may still look at it before.
  std::unique_ptr<Worker> worker;
  Fiber* fiber = nullptr;
  std::unique_ptr<FiberExtra> extra;  // of `fiber`; kept here as the fiber of a thread that was let go is never freed
  Stack* loop_stack = nullptr;    // of worker->context
  Stack own_stack;                // describes the thread's own
  OutsideThread* next = nullptr;        // guarded by s.lock: s.outside
  OutsideThread* next_spare = nullptr;  // guarded by spare_lock; one that is let go may be on both lists for a moment
  OutsideThread* prev = nullptr;  // guarded by s.lock

  // For outside_fiber_at(). Relaxed: whose stack an address is on is asked of locks that their holders took, which came after.
  OutsideThread* next_record = nullptr;  // constant once published
  std::atomic<std::uintptr_t> low{0};
  std::atomic<std::uintptr_t> high{0};
  std::atomic<std::uint64_t> fiber_id{0};  // 0: not attached
};

namespace {

// The loop may write a dump of all fibers, with names from debug information. Address space only.
constexpr std::size_t kLoopStack = std::size_t{1} << 20;

SpinLock spare_lock;
OutsideThread* spare = nullptr;  // guarded by spare_lock: records of threads that have ended
std::atomic<OutsideThread*> records{nullptr};  // all of them, linked by next_record

std::atomic<std::uint32_t> expected_threads{0};

// Not read across a switch: the code that uses them runs on the thread's own stack, which no other thread runs on.
thread_local OutsideThread* own_record = nullptr;
thread_local bool thread_ends = false;
thread_local std::uint32_t scopes = 0;

OutsideThread* take_record() {
  {
    std::lock_guard guard(spare_lock);
    if (OutsideThread* record = spare) {
      spare = record->next_spare;
      return record;
    }
  }
  auto* record = new OutsideThread;
  record->next_record = records.load(std::memory_order_relaxed);
  // Release pairs with the acquire in outside_fiber_at().
  while (!records.compare_exchange_weak(record->next_record, record, std::memory_order_release, std::memory_order_relaxed)) {
  }
  return record;
}

void give_record_back() {
  OutsideThread* record = std::exchange(own_record, nullptr);
  // Relaxed: nobody but the thread leaves kNone. A thread that ends inside a call (pthread_exit) leaves it behind.
  if (record == nullptr || record->state.load(std::memory_order_relaxed) != State::kNone) return;
  std::lock_guard guard(spare_lock);
  record->next_spare = spare;
  spare = record;
}

void detach(OutsideThread& thread);

// Destroyed when the thread ends. Calls made by what is destroyed later attach and detach each.
struct AtEnd {
  AtEnd() noexcept {}
  ~AtEnd() {
    if (own_record != nullptr) detach(*own_record);
    give_record_back();
    thread_ends = true;
  }
};

OutsideThread& this_thread() {
  if (own_record == nullptr) {
    own_record = take_record();
    if (!thread_ends) {
      thread_local AtEnd at_end;
      static_cast<void>(at_end);
    }
  }
  return *own_record;
}

// The runtime ends: there is nothing to come back to.
[[noreturn]] void stay() {
  for (;;) pause();
}

void describe_own_stack(OutsideThread& thread) {
  Stack& stack = thread.own_stack;
  pthread_attr_t attributes;
  void* low = nullptr;
  std::size_t size = 0;
  check(pthread_getattr_np(pthread_self(), &attributes) == 0, "cannot find a thread's stack: pthread_getattr_np failed");
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  stack.bounds = {reinterpret_cast<std::uintptr_t>(low), reinterpret_cast<std::uintptr_t>(low) + size};
  thread.low.store(stack.bounds.low, std::memory_order_relaxed);
  thread.high.store(stack.bounds.high, std::memory_order_relaxed);
  auto* context = ::new (stack.context_room) Context;
  context->adopt_thread();
}

// Code of the worker's own context: runs while the thread's fiber is parked.
void loop(void* data) {
  annotate_happens_after(data);
  Worker& worker = *static_cast<Worker*>(data);
  Fiber* const fiber = worker.locked_fiber;
  Stack& own = *fiber->owned_stack();
  const tracer::StackBounds bounds = own.bounds;
  for (;;) {
    own.bounds = {};  // before on_cpu is cleared
    finish_switch(worker);
    if (!wait_for_locked_fiber(worker)) stay();
    start_fiber(worker, fiber);
    own.bounds = bounds;  // after on_cpu is set
    worker.after = After::kNothing;
    Context& target = fiber->context();
    annotate_happens_before(&worker);
    switch_context(worker.context, target, &worker);
    annotate_happens_after(&worker);
  }
}

// Requires: a fresh worker and fiber, bound to nothing.
void set_up(OutsideThread& thread, Scheduler& s) {
  Worker& worker = *thread.worker;
  worker.id = static_cast<std::uint64_t>(gettid());
  worker.random_state = s.fuzz != nullptr ? s.fuzz->worker_seed() : worker.id * 0x9E3779B97F4A7C15ULL | 1;
  describe_own_stack(thread);
  worker.context.prepare(*thread.loop_stack, loop);

  Fiber* fiber = s.fiber_pool.allocate_one();
  thread.fiber = fiber;
  fiber->id = new_fiber_id();
  thread.fiber_id.store(fiber->id, std::memory_order_relaxed);
  fiber->callable = StartCallable(&kCallableInfo<Thread>);
  fiber->site = std::source_location::current();
  fiber->creator = 0;
  fiber->stack = &thread.own_stack.bounds;
  fiber->stack_pages = 0;
  fiber->parked_frame = 0;
  fiber->last_worker = 0;
  fiber->extra = thread.extra.get();
  fiber->extra->pinned_to = &worker;
  fiber->pinned = true;
  worker.locked_fiber = fiber;
  // As if it had lost its processor in a blocking section: no P names this worker's section 0.
  worker.proc = s.proc(0);
  worker.syscall_depth = 1;
  worker.syscall_section = worker.id << 32;
  s.pins.fetch_add(1, std::memory_order_relaxed);
  s.events.blocking_without_p.fetch_add(1, std::memory_order_relaxed);

  tracer::attach(worker);
  Section section(worker);
  if (section) section.fiber_create_syscall(*fiber);
  worker.fiber = fiber;
  fiber->on_cpu.store(true, std::memory_order_relaxed);
  fiber->status.store(FiberStatus::kSyscall, std::memory_order_release);  // pairs with a sweep's acquire: id, name, site
}

// Into a call, from kNone. False: the runtime ends.
bool attach(OutsideThread& thread, Scheduler& s) {
  auto worker = std::make_unique<Worker>(s);
  auto extra = std::make_unique<FiberExtra>();
  std::error_code error;
  Stack* loop_stack = s.stack_pool.allocate(kLoopStack, error);
  if (loop_stack == nullptr) fail("no stack for a thread outside: " + describe_stack_error(error, s.stack_pool));
  {
    std::lock_guard guard(s.lock);
    if (!s.stopping.load(std::memory_order_seq_cst)) {
      thread.state.store(State::kInside, std::memory_order_relaxed);
      thread.prev = nullptr;
      thread.next = s.outside;
      if (s.outside != nullptr) s.outside->prev = &thread;
      s.outside = &thread;
      ++s.live_workers;
    }
  }
  if (thread.state.load(std::memory_order_relaxed) == State::kNone) {
    s.stack_pool.release(loop_stack);
    return false;
  }
  thread.worker = std::move(worker);
  thread.loop_stack = loop_stack;
  thread.extra = std::move(extra);
  set_up(thread, s);
  tracer::set_current_worker(thread.worker.get());
  if (s.fuzz != nullptr) s.fuzz->tell_of(Fuzz::Outside::kThread);
  return true;
}

// The thread into a call. False: the runtime ends.
bool enter(OutsideThread& thread, const char* what) {
  State expected = State::kOutside;
  // Acquire pairs with let_outside_threads_go().
  if (thread.state.compare_exchange_strong(expected, State::kInside, std::memory_order_acquire)) {
    tracer::set_current_worker(thread.worker.get());
    return true;
  }
  check(expected == State::kNone, "a thread enters creel that is inside already");
  {
    const SchedulerReader reader;  // keeps the scheduler alive
    if (reader.get() != nullptr) return attach(thread, *reader.get());
  }
  misuse_outside_fiber(what, false);
}

// Requires: s.lock.
void unlist(Scheduler& s, OutsideThread& thread) {
  if (thread.prev != nullptr) thread.prev->next = thread.next;
  if (thread.next != nullptr) thread.next->prev = thread.prev;
  if (s.outside == &thread) s.outside = thread.next;
  thread.next = thread.prev = nullptr;
  --s.live_workers;
}

// No count and no list names the thread any more; its scheduler may be gone after this.
void drop(Scheduler& s, OutsideThread& thread) {
  std::lock_guard guard(s.lock);
  unlist(s, thread);
  thread.state.store(State::kNone, std::memory_order_relaxed);
  if (!s.stopping.load(std::memory_order_seq_cst)) {
    check_deadlock(s);  // those that are left may all wait
    return;
  }
  s.ended_word.fetch_add(1, std::memory_order_release);  // pairs with the acquire in wait_for_workers()
  futex_wake(s.ended_word, 1);
}

// Takes `proc` out of the blocking section `word`, as a thief (blocking.cc), and hands it on, unless it has left it.
void retake(Worker& worker, Processor* proc, std::uint64_t word) {
  {
    Section section(worker);
    const std::uint64_t holder = word >> 32;
    if (!proc->syscall_section.compare_exchange_strong(word, 0, std::memory_order_acq_rel)) return;
    if (section) section.proc_steal(*proc, holder);
    proc->status.store(tracer::ProcStatus::kIdle, std::memory_order_relaxed);
    proc->holder.store(0, std::memory_order_relaxed);
    worker.scheduler.events.blocking_without_p.fetch_add(1, std::memory_order_relaxed);
  }
  hand_off_proc(worker.scheduler, proc);
}

// In a deterministic run nobody else retakes the P of a blocking section.
void take_from_blocking(Worker& worker) {
  Processor* proc = worker.scheduler.proc(0);
  const std::uint64_t word = proc->syscall_section.load(std::memory_order_acquire);  // pairs with the owner's release
  if (word != 0) retake(worker, proc, word);
}

// Before the thread goes: what it has made runnable shall not wait for the monitor to retake the processor. And in a
// deterministic run there is no monitor.
void leave_no_work_behind(Worker& worker) {
  Processor* proc = worker.processor();
  Scheduler& s = worker.scheduler;
  if (proc->syscall_section.load(std::memory_order_relaxed) != worker.syscall_section) return;  // retaken: not its own
  const bool work = s.global_queue.size() > 0 || !proc->queue.empty() || proc->runnext.load(std::memory_order_relaxed) != nullptr;
  if ((!work && !s.deterministic()) || s.stopping.load(std::memory_order_relaxed)) return;
  retake(worker, proc, worker.syscall_section);
}

void leave(OutsideThread& thread) {
  leave_no_work_behind(*thread.worker);
  Scheduler& s = thread.worker->scheduler;
  tracer::set_current_worker(nullptr);
  State expected = State::kInside;
  // Release pairs with the acquire in enter() and in let_outside_threads_go().
  if (thread.state.compare_exchange_strong(expected, State::kOutside, std::memory_order_release, std::memory_order_acquire)) {
    if (!thread_ends) return;
    detach(thread);
    return give_record_back();
  }
  tracer::abandon(*thread.worker);
  drop(s, thread);
}

void detach(OutsideThread& thread) {
  State expected = State::kOutside;
  // Acquire as in enter(). Else: not attached, or let go.
  if (!thread.state.compare_exchange_strong(expected, State::kInside, std::memory_order_acquire)) return;
  Worker& worker = *thread.worker;
  Scheduler& s = worker.scheduler;
  tracer::set_current_worker(&worker);
  retake(worker, worker.processor(), worker.syscall_section);
  s.events.blocking_without_p.fetch_sub(1, std::memory_order_relaxed);  // without one now, whoever took it
  thread.fiber_id.store(0, std::memory_order_relaxed);
  Fiber* fiber = thread.fiber;
  {
    Section section(worker);
    worker.proc = nullptr;
    if (section) section.fiber_destroy_syscall(*fiber);
    fiber->status.store(FiberStatus::kDead, std::memory_order_relaxed);
    worker.fiber = nullptr;
  }
  tracer::detach(worker);
  tracer::set_current_worker(nullptr);
  s.pins.fetch_sub(1, std::memory_order_relaxed);
  fiber->pinned = false;
  {
    std::lock_guard guard(s.fiber_pool.names_lock);  // a dump may look at the name
    fiber->name = nullptr;
    fiber->extra = nullptr;
  }
  thread.extra = nullptr;
  fiber->stack = nullptr;
  fiber->on_cpu.store(false, std::memory_order_relaxed);
  fiber->next = nullptr;
  s.fiber_pool.release(fiber, 1);
  s.stack_pool.release(thread.loop_stack);
  drop(s, thread);
}

}  // namespace

void let_outside_threads_go(Scheduler& s) {
  OutsideThread* next = nullptr;
  for (OutsideThread* thread = s.outside; thread != nullptr; thread = next) {
    next = thread->next;
    State expected = State::kOutside;
    // Acquire pairs with the release in leave(): the thread has done with the scheduler.
    while (!thread->state.compare_exchange_weak(expected, expected == State::kOutside ? State::kNone : State::kLast,
                                                std::memory_order_acq_rel, std::memory_order_acquire)) {
    }
    thread->fiber_id.store(0, std::memory_order_relaxed);
    if (expected != State::kOutside) continue;
    tracer::abandon(*thread->worker);
    unlist(s, *thread);
  }
}

void give_up_blocked_proc(Worker& worker) { retake(worker, worker.processor(), worker.syscall_section); }

FiberCall::FiberCall(const char* what) : thread_(this_thread()) {
  if (const Worker* worker = this_worker()) misuse_outside_fiber(what, worker->syscall_depth != 0);
  if (!enter(thread_, what)) stay();
  if (thread_.worker->scheduler.deterministic()) take_from_blocking(*thread_.worker);
  leave_blocking();
}

FiberCall::~FiberCall() {
  enter_blocking_of_runtime();
  leave(thread_);
}

WakeCall::WakeCall(const char* what) : thread_(&this_thread()) {
  if (!enter(*thread_, what)) thread_ = nullptr;
}

WakeCall::~WakeCall() {
  if (thread_ != nullptr) leave(*thread_);
}

// Relaxed: who checks for a deadlock does so under s.lock, after the worker that said so has parked under it.
bool wake_is_coming() noexcept {
  Worker* worker = this_worker();
  if (worker == nullptr) return false;
  worker->scheduler.wakes_coming.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void wake_came() noexcept { this_worker()->scheduler.wakes_coming.fetch_sub(1, std::memory_order_relaxed); }

std::uint32_t threads_in_no_call(const Scheduler& s) noexcept {
  std::uint32_t count = 0;
  for (const OutsideThread* thread = s.outside; thread != nullptr; thread = thread->next) {
    count += thread->state.load(std::memory_order_relaxed) == State::kOutside ? 1 : 0;
  }
  return count;
}

std::uint32_t threads_expected() noexcept { return expected_threads.load(std::memory_order_seq_cst); }

std::uint64_t outside_fiber_at(std::uintptr_t address) noexcept {
  // Acquire pairs with the release in take_record().
  for (const OutsideThread* thread = records.load(std::memory_order_acquire); thread != nullptr; thread = thread->next_record) {
    const std::uint64_t id = thread->fiber_id.load(std::memory_order_relaxed);
    if (id != 0 && address >= thread->low.load(std::memory_order_relaxed) &&
        address < thread->high.load(std::memory_order_relaxed)) {
      return id;
    }
  }
  return 0;
}

std::uint32_t random_outside() noexcept {
  thread_local std::minstd_rand generator(static_cast<std::uint32_t>(gettid()));
  return static_cast<std::uint32_t>(generator()) << 16 ^ static_cast<std::uint32_t>(generator());
}

}  // namespace sched

ThreadScope::ThreadScope() : attached_(sched::this_worker() == nullptr && sched::scopes == 0) {
  if (!attached_) return;
  const sched::WakeCall attach("creel::ThreadScope");
  ++sched::scopes;
}

ThreadScope::~ThreadScope() {
  if (!attached_) return;
  --sched::scopes;
  if (sched::own_record != nullptr) sched::detach(*sched::own_record);
}

ExpectThreads::ExpectThreads() noexcept { sched::expected_threads.fetch_add(1, std::memory_order_seq_cst); }

// A worker that goes idle looks at the number under s.lock, which is taken here after the number has changed: one of the two
// sees that nobody is left.
ExpectThreads::~ExpectThreads() {
  if (!holds_ || sched::expected_threads.fetch_sub(1, std::memory_order_seq_cst) != 1) return;
  const sched::SchedulerReader reader;
  sched::Scheduler* s = reader.get();
  if (s == nullptr) return;
  std::lock_guard guard(s->lock);
  sched::check_deadlock(*s);
}

}  // namespace creel
