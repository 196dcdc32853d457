// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A scheduler without fibers: real threads that drive WorkerTrace, ProcTrace and FiberTrace as sched/ does, at random.
//
// Every thread is a worker; "running a fiber" is only a binding. So each legal order of events can be reached, many per
// microsecond, and the judge is Go's reader. Follows the rules of tracer/hook.h (A-D).

#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

#include "creel/tracer/current.h"
#include "creel/tracer/hook.h"
#include "creel/tracer/recorder.h"
#include "creel/tracer/status_lister.h"

namespace creel::test {

struct ModelFiber : tracer::FiberTrace {
  std::vector<std::string> regions;  // open ones, innermost last
};
struct ModelProc : tracer::ProcTrace {
  std::mutex mu;  // decides between the thread that returns from a syscall and a thief
};

inline void worker_callable() {}

class Model final : public tracer::StatusLister {
 public:
  explicit Model(std::uint32_t procs) {
    for (std::uint32_t i = 0; i < procs; ++i) {
      procs_.push_back(std::make_unique<ModelProc>());
      procs_.back()->id = i;
      procs_.back()->status.store(tracer::ProcStatus::kIdle);
      idle_.push_back(procs_.back().get());
    }
    tracer::set_status_lister(this);
  }
  ~Model() { tracer::set_status_lister(nullptr); }

  void for_each_fiber(void (*visit)(tracer::FiberTrace&, void*), void* arg) override {
    std::vector<ModelFiber*> all;
    {
      std::lock_guard lock(mu_);
      for (auto& f : fibers_) all.push_back(f.get());
    }
    for (ModelFiber* f : all) visit(*f, arg);
  }
  void for_each_proc(void (*visit)(tracer::ProcTrace&, void*), void* arg) override {
    for (auto& p : procs_) visit(*p, arg);
  }
  std::uint32_t proc_count() override { return static_cast<std::uint32_t>(procs_.size()); }

  ModelFiber* new_fiber(const char* name = nullptr) {
    auto fiber = std::make_unique<ModelFiber>();
    fiber->name = name;
    fiber->callable = tracer::StartCallable::function(reinterpret_cast<std::uintptr_t>(&worker_callable));
    fiber->site = std::source_location::current();
    std::lock_guard lock(mu_);
    fiber->id = ++last_id_;
    fibers_.push_back(std::move(fiber));
    return fibers_.back().get();
  }
  ModelProc* take_idle() {
    std::lock_guard lock(mu_);
    if (idle_.empty()) return nullptr;
    ModelProc* p = idle_.back();
    idle_.pop_back();
    return p;
  }
  void put_idle(ModelProc* p) {
    std::lock_guard lock(mu_);
    idle_.push_back(p);
  }
  void put_runnable(ModelFiber* f) {
    std::lock_guard lock(mu_);
    runnable_.push_back(f);
  }
  ModelFiber* take_runnable() { return take(runnable_); }
  void put_waiting(ModelFiber* f) {
    std::lock_guard lock(mu_);
    waiting_.push_back(f);
  }
  ModelFiber* take_waiting() { return take(waiting_); }
  ModelProc& proc(std::size_t i) { return *procs_[i]; }
  std::size_t procs() const { return procs_.size(); }
  std::size_t fibers() {
    std::lock_guard lock(mu_);
    return fibers_.size();
  }

 private:
  ModelFiber* take(std::deque<ModelFiber*>& queue) {
    std::lock_guard lock(mu_);
    if (queue.empty()) return nullptr;
    ModelFiber* f = queue.front();
    queue.pop_front();
    return f;
  }

  std::mutex mu_;
  std::vector<std::unique_ptr<ModelProc>> procs_;
  std::vector<std::unique_ptr<ModelFiber>> fibers_;  // never removed: visited objects stay valid
  std::vector<ModelProc*> idle_;
  std::deque<ModelFiber*> runnable_;
  std::deque<ModelFiber*> waiting_;
  std::uint64_t last_id_ = 0;
};

// One worker thread's side: legal transitions, each in its Section. Lives on the thread it belongs to.
class ModelWorker {
 public:
  explicit ModelWorker(Model& model) : model_(model) {
    trace_.id = static_cast<std::uint64_t>(::syscall(SYS_gettid));
    tracer::attach(trace_);
    tracer::set_current_worker(&trace_);
  }
  ~ModelWorker() {
    if (fiber() != nullptr && fiber()->status.load() == tracer::FiberStatus::kSyscall) syscall_return();
    if (fiber() != nullptr) yield();
    if (proc() != nullptr) proc_stop();
    tracer::set_current_worker(nullptr);
    tracer::detach(trace_);
  }

  ModelFiber* fiber() const { return static_cast<ModelFiber*>(trace_.fiber); }
  ModelProc* proc() const { return static_cast<ModelProc*>(trace_.proc); }

  bool proc_start() {
    ModelProc* p = model_.take_idle();
    if (p == nullptr) return false;
    tracer::Section section(trace_);
    bind(*p);
    if (section) section.proc_start(*p);
    return true;
  }
  void proc_stop() {
    ModelProc* p = proc();
    {
      tracer::Section section(trace_);
      if (section) section.proc_stop();
      p->holder.store(0);
      p->status.store(tracer::ProcStatus::kIdle);
      trace_.proc = nullptr;
    }
    model_.put_idle(p);
  }
  void create(const char* name = nullptr) {
    ModelFiber* f = model_.new_fiber(name);
    {
      tracer::Section section(trace_);
      if (section) section.fiber_create(*f);
      f->status.store(tracer::FiberStatus::kRunnable);
    }
    model_.put_runnable(f);
  }
  bool start() {
    ModelFiber* f = model_.take_runnable();
    if (f == nullptr) return false;
    tracer::Section section(trace_);
    trace_.fiber = f;
    f->status.store(tracer::FiberStatus::kRunning);
    if (section) section.fiber_start(*f);
    return true;
  }
  void yield() {
    ModelFiber* f = fiber();
    {
      tracer::Section section(trace_);
      if (section) section.fiber_stop(tracer::StopReason::kYield);
      f->status.store(tracer::FiberStatus::kRunnable);
      trace_.fiber = nullptr;
    }
    model_.put_runnable(f);
  }
  void block() {
    ModelFiber* f = fiber();
    {
      tracer::Section section(trace_);
      if (section) section.fiber_block(tracer::BlockReason::kChanReceive);
      f->status.store(tracer::FiberStatus::kWaiting);
      trace_.fiber = nullptr;
    }
    model_.put_waiting(f);
  }
  bool unblock() {
    ModelFiber* f = model_.take_waiting();
    if (f == nullptr) return false;
    {
      tracer::Section section(trace_);
      if (section) section.fiber_unblock(*f);
      f->status.store(tracer::FiberStatus::kRunnable);
    }
    model_.put_runnable(f);
    return true;
  }
  void destroy() {
    tracer::Section section(trace_);
    if (section) section.fiber_destroy();
    fiber()->status.store(tracer::FiberStatus::kDead);
    trace_.fiber = nullptr;
  }
  void syscall_enter() {
    tracer::Section section(trace_);
    if (section) section.syscall_begin();
    fiber()->status.store(tracer::FiberStatus::kSyscall);
    proc()->status.store(tracer::ProcStatus::kSyscall);
  }
  // Comes back with the P, or without it: then with another one (`want_proc`) or none, the fiber runnable.
  void syscall_return(bool want_proc = false) {
    ModelProc* p = proc();
    ModelFiber* f = fiber();
    bool kept = false;
    {
      std::lock_guard lock(p->mu);
      tracer::Section section(trace_);
      kept = p->status.load() == tracer::ProcStatus::kSyscall && p->holder.load() == trace_.id;
      if (kept) {
        p->status.store(tracer::ProcStatus::kRunning);
        f->status.store(tracer::FiberStatus::kRunning);
        if (section) section.syscall_end();
      } else {
        trace_.proc = nullptr;
      }
    }
    if (kept) return;
    if (want_proc) proc_start();
    {
      tracer::Section section(trace_);
      if (section) section.syscall_end_blocked();
      f->status.store(tracer::FiberStatus::kRunnable);
      trace_.fiber = nullptr;
    }
    model_.put_runnable(f);
  }
  bool steal(ModelProc& p) {
    {
      std::lock_guard lock(p.mu);  // it cannot come back: what we see is this very syscall
      if (p.status.load() != tracer::ProcStatus::kSyscall) return false;
      tracer::Section section(trace_);
      const std::uint64_t victim = p.holder.load();
      p.status.store(tracer::ProcStatus::kIdle);
      p.holder.store(0);
      if (section) section.proc_steal(p, victim);
    }
    model_.put_idle(&p);
    return true;
  }
  // Takes a P and starts a new fiber on it.
  void run_new(const char* name = nullptr) {
    proc_start();
    create(name);
    start();
  }
  tracer::WorkerTrace& trace() { return trace_; }

 private:
  void bind(ModelProc& p) {
    trace_.proc = &p;
    p.holder.store(trace_.id);
    p.status.store(tracer::ProcStatus::kRunning);
  }

  Model& model_;
  tracer::WorkerTrace trace_;
};

}  // namespace creel::test
