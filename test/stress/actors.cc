// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/stress/actors.h"

#include <creel/creel.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <shared_mutex>
#include <string>

namespace creel::stress {
namespace {

using namespace std::chrono_literals;
using Random = std::mt19937;

// What the actors share. Every wait has a deadline or a partner that surely comes, so that all actors end.
struct World {
  Channel<std::uint64_t> unbuffered{0};
  Channel<std::uint64_t> narrow{1};
  Channel<std::uint64_t> wide{16};
  Mutex mutex;
  RWMutex rw_mutex;
  CondVar cond;
  Semaphore semaphore{3};
  std::uint64_t guarded = 0;  // by mutex; counted twice to see lost updates
  std::atomic<std::uint64_t> total{0};
  std::atomic<std::uint64_t> steps{0};
  bool change_procs = true;
};

void pause_for(long nanoseconds) {
  const timespec duration{0, nanoseconds};
  ::nanosleep(&duration, nullptr);
}

void compute(Random& random, bool with_safe_points) {
  volatile std::uint64_t sum = 0;
  const unsigned rounds = random() % 200;
  for (unsigned i = 0; i < rounds; ++i) {
    for (std::uint64_t k = 0; k < 200; ++k) sum = sum + k;
    if (with_safe_points) checkpoint();
  }
}

Channel<std::uint64_t>& any_channel(World& world, Random& random) {
  switch (random() % 3) {
    case 0:
      return world.unbuffered;
    case 1:
      return world.narrow;
    default:
      return world.wide;
  }
}

void use_channels(World& world, Random& random) {
  Channel<std::uint64_t>& channel = any_channel(world, random);
  const std::chrono::microseconds patience(random() % 400);
  switch (random() % 6) {
    case 0:
      (void)channel.send_for(random(), patience);
      break;
    case 1:
      (void)channel.recv_for(patience);
      break;
    case 2:
      (void)channel.try_send(random());
      break;
    case 3:
      (void)channel.try_recv();
      break;
    case 4:
      select(on_recv(channel, [](auto&&) {}), on_send(any_channel(world, random), random(), [] {}),
             after(patience, [] {}));
      break;
    default:
      select(on_recv(channel, [](auto&&) {}), on_recv(any_channel(world, random), [](auto&&) {}), otherwise([] {}));
      break;
  }
}

void use_locks(World& world, Random& random) {
  switch (random() % 6) {
    case 0: {
      std::unique_lock lock(world.mutex);
      ++world.guarded;
      if (random() % 4 == 0) yield();
      if (random() % 16 == 0) sleep_for(50us);
      world.total.fetch_add(1, std::memory_order_relaxed);
      break;
    }
    case 1: {
      std::unique_lock lock(world.rw_mutex);
      compute(random, false);
      break;
    }
    case 2: {
      std::shared_lock lock(world.rw_mutex);
      if (random() % 4 == 0) yield();
      break;
    }
    case 3: {
      std::unique_lock lock(world.mutex);
      (void)world.cond.wait_for(lock, std::chrono::microseconds(random() % 300));
      break;
    }
    case 4:
      random() % 2 == 0 ? world.cond.notify_one() : world.cond.notify_all();
      break;
    default:
      world.semaphore.acquire();
      compute(random, true);
      world.semaphore.release();
      break;
  }
}

void annotate(Random& random) {
  const trace::Task task("task " + std::to_string(random() % 4));
  const trace::Region outer(task, "outer");
  trace::log(task, "category", "message " + std::to_string(random() % 100));
  if (random() % 2 == 0) {
    const trace::Region inner("inner");
    yield();
  }
  if (random() % 8 == 0) trace::label("label " + std::to_string(random() % 4));
}

void run_actor(World& world, std::uint32_t seed, int steps, int depth);

void spawn_children(World& world, Random& random, int steps, int depth) {
  WaitGroup children;
  for (unsigned i = random() % 4 + 1; i > 0; --i) {
    children.go([&world, seed = static_cast<std::uint32_t>(random()), steps, depth] {
      run_actor(world, seed, steps / 8, depth + 1);
    });
  }
  if (random() % 2 == 0) yield();
  children.wait();
}

void one_step(World& world, Random& random, int steps, int depth) {
  switch (random() % 12) {
    case 0:
      if (depth < 3) spawn_children(world, random, steps, depth);
      break;
    case 1:
    case 2:
    case 3:
      use_channels(world, random);
      break;
    case 4:
    case 5:
    case 6:
      use_locks(world, random);
      break;
    case 7:
      random() % 3 == 0 ? sleep_for(std::chrono::microseconds(random() % 300)) : yield();
      break;
    case 8:
      blocking([&] { pause_for(random() % 8 == 0 ? 1'000'000 : static_cast<long>(random() % 60'000)); });
      break;
    case 9:
      compute(random, random() % 2 == 0);
      break;
    case 10:
      annotate(random);
      break;
    default:
      if (world.change_procs && random() % 8 == 0) set_procs(static_cast<std::uint32_t>(random() % 4) + 1);
      break;
  }
  world.steps.fetch_add(1, std::memory_order_relaxed);
}

void run_actor(World& world, std::uint32_t seed, int steps, int depth) {
  Random random(seed);
  for (int step = 0; step < steps; ++step) one_step(world, random, steps, depth);
}

}  // namespace

std::uint64_t run_actors(const Plan& plan) {
  // Not on the stack: the fiber's frame stays small, and a use after the end would be a use of freed memory.
  const auto world = std::make_unique<World>();
  world->change_procs = plan.change_procs;
  Random random(plan.seed);
  WaitGroup actors;
  for (int i = 0; i < plan.actors; ++i) {
    actors.go([&world = *world, seed = static_cast<std::uint32_t>(random()), steps = plan.steps] {
      run_actor(world, seed, steps, 0);
    });
  }
  actors.wait();
  if (world->guarded != world->total.load(std::memory_order_relaxed)) return 0;  // an update was lost
  return world->steps.load(std::memory_order_relaxed);
}

}  // namespace creel::stress
