// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Costs of single operations that neither park nor contend, by Google Benchmark, on one P and untraced.

#include <optional>
#include <shared_mutex>

#include <benchmark/benchmark.h>
#include <creel/creel.h>

namespace {

void mutex_lock_unlock(benchmark::State& state) {
  creel::Mutex mutex;
  for (auto _ : state) {
    mutex.lock();
    mutex.unlock();
  }
}

void rwmutex_read_lock_unlock(benchmark::State& state) {
  creel::RWMutex mutex;
  for (auto _ : state) {
    mutex.lock_shared();
    mutex.unlock_shared();
  }
}

void channel_send_recv_buffered(benchmark::State& state) {
  creel::Channel<int> channel(128);
  for (auto _ : state) {
    channel.send(1);
    benchmark::DoNotOptimize(channel.recv());
  }
}

void channel_try_recv_empty(benchmark::State& state) {
  creel::Channel<int> channel(128);
  for (auto _ : state) benchmark::DoNotOptimize(channel.try_recv().has_value());
}

void select_otherwise_of_two(benchmark::State& state) {
  creel::Channel<int> first(1);
  creel::Channel<int> second(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(creel::select(creel::on_recv(first), creel::on_recv(second), creel::otherwise([] {})));
  }
}

// Nobody else is runnable: the fiber goes through the scheduler and comes back.
void yield_alone(benchmark::State& state) {
  for (auto _ : state) creel::yield();
}

void checkpoint_unrequested(benchmark::State& state) {
  for (auto _ : state) {
    creel::checkpoint();
    benchmark::ClobberMemory();
  }
}

void blocking_of_nothing(benchmark::State& state) {
  for (auto _ : state) creel::blocking([] {});
}

void spawn_join(benchmark::State& state) {
  for (auto _ : state) creel::spawn([] {}).join();
}

// The tracing hook of a user's region while tracing is off.
void region_untraced(benchmark::State& state) {
  for (auto _ : state) creel::trace::Region region("region");
}

BENCHMARK(mutex_lock_unlock);
BENCHMARK(rwmutex_read_lock_unlock);
BENCHMARK(channel_send_recv_buffered);
BENCHMARK(channel_try_recv_empty);
BENCHMARK(select_otherwise_of_two);
BENCHMARK(yield_alone);
BENCHMARK(checkpoint_unrequested);
BENCHMARK(blocking_of_nothing);
BENCHMARK(spawn_join);
BENCHMARK(region_untraced);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  creel::Options options;
  options.procs = 1;
  options.stack_size = 1 << 20;  // the library's own formatting runs on the fiber
  const int status = creel::run(options, [] { benchmark::RunSpecifiedBenchmarks(); });
  benchmark::Shutdown();
  return status;
}
