// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Mutexes, condition variables, once, wait groups.

#include <creel/creel.h>

#include <chrono>
#include <mutex>
#include <shared_mutex>

#include "test/conformance/scenarios_util.h"

namespace creel::test {
namespace {

using namespace std::chrono_literals;

void mutex_contended() {
  Mutex mu;
  WaitGroup wg;
  mu.lock();
  for (int i = 0; i < 2; ++i) {
    wg.go([&] {
      mu.lock();
      mu.unlock();
    });
  }
  yield();
  mu.unlock();
  wg.wait();
}

// A waiter that waited more than a millisecond and lost a race makes the mutex starved: unlocking hands it over.
void mutex_starved() {
  Mutex mu;
  WaitGroup wg;
  mu.lock();
  wg.go([&] {
    mu.lock();
    mu.unlock();
  });
  yield();
  sleep_for(3ms);
  mu.unlock();
  mu.lock();
  yield();
  mu.unlock();
  wg.wait();
}

void rwmutex_writer_waits() {
  RWMutex mu;
  WaitGroup wg;
  mu.lock_shared();
  wg.go([&] {
    mu.lock();
    mu.unlock();
  });
  yield();
  mu.unlock_shared();
  wg.wait();
}

void rwmutex_readers_wait() {
  RWMutex mu;
  WaitGroup wg;
  mu.lock();
  for (int i = 0; i < 2; ++i) {
    wg.go([&] {
      mu.lock_shared();
      mu.unlock_shared();
    });
  }
  yield();
  mu.unlock();
  wg.wait();
}

// A writer that waits keeps later readers out.
void rwmutex_writer_goes_first() {
  RWMutex mu;
  WaitGroup wg;
  mu.lock_shared();
  wg.go([&] {
    mu.lock();
    mu.unlock();
  });
  yield();
  wg.go([&] {
    mu.lock_shared();
    mu.unlock_shared();
  });
  yield();
  mu.unlock_shared();
  wg.wait();
}

void cond_signal() {
  Mutex mu;
  CondVar cond;
  int ready = 0;
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&] {
      std::unique_lock lock(mu);
      while (ready == 0) cond.wait(lock);
      --ready;
    });
  }
  yield();
  for (int i = 0; i < 2; ++i) {
    mu.lock();
    ++ready;
    mu.unlock();
    cond.notify_one();
    yield();
  }
  wg.wait();
}

void cond_broadcast() {
  Mutex mu;
  CondVar cond;
  bool ready = false;
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([&] {
      std::unique_lock lock(mu);
      while (!ready) cond.wait(lock);
    });
  }
  yield();
  mu.lock();
  ready = true;
  mu.unlock();
  cond.notify_all();
  wg.wait();
}

void once_waits() {
  Once once;
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&] { once.call([] { sleep_for(1ms); }); });
  }
  wg.wait();
}

void wait_group() {
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) wg.go([] {});
  wg.wait();
}

void wait_group_waiters() {
  WaitGroup gate;
  WaitGroup wg;
  gate.add(1);
  for (int i = 0; i < 3; ++i) wg.go([&] { gate.wait(); });
  yield();
  gate.done();
  wg.wait();
}

constexpr Scenario kScenarios[] = {
    {.name = "mutex_contended", .run = mutex_contended},
    {.name = "mutex_starved",
     .run = mutex_starved,
     .may_preempt = true},  // the hand-over stops the unlocker as "preempted"
    {.name = "rwmutex_writer_waits", .run = rwmutex_writer_waits},
    {.name = "rwmutex_readers_wait", .run = rwmutex_readers_wait, .any_order = true},
    {.name = "rwmutex_writer_goes_first", .run = rwmutex_writer_goes_first},
    {.name = "cond_signal", .run = cond_signal},
    {.name = "cond_broadcast", .run = cond_broadcast, .any_order = true},
    {.name = "once_waits", .run = once_waits},
    {.name = "wait_group", .run = wait_group},
    {.name = "wait_group_waiters", .run = wait_group_waiters, .any_order = true},
};

}  // namespace

std::span<const Scenario> sync_scenarios() { return kScenarios; }

}  // namespace creel::test
