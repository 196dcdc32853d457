// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The twin of bench/creel for C++ peers, once for all: the same names, counts, joins and code inside the locks. What a peer
// P must offer is in primitives.h; add_rows<P>() adds the benchmarks it can run. Beside the optional primitives, P says:
//
//   P::kLacks    an array of Lack: the benchmarks that it could express and cannot do, with the reasons
//
// Every row of bench/creel is there or says why it is not (--left-out). No peer can select over channels of this kind.

#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/harness/harness.h"
#include "bench/peers/primitives.h"

namespace bench::peers {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

template <typename P>
void spawn_and_wait(std::int64_t count) {
  WaitGroup<P> wg(count);
  for (std::int64_t i = 0; i < count; ++i) P::go([&wg] { wg.done(); });
  wg.wait();
}

template <typename P>
void spawn_batch(Run& run) {
  const std::int64_t total = run.count(2'000'000, 1000);
  spawn_and_wait<P>(1000);
  run.measure(total, [&] {
    for (std::int64_t i = 0; i < total; i += 1000) spawn_and_wait<P>(1000);
  });
}

template <typename P>
void spawn_million(Run& run) {
  const std::int64_t total = run.count(1'000'000);
  run.measure(total, [&] { spawn_and_wait<P>(total); });
}

template <typename P, std::int64_t kCount>
void yields(Run& run) {
  const std::int64_t total = run.count(10'000'000, kCount);
  run.measure(total, [&] {
    WaitGroup<P> wg(kCount);
    for (std::int64_t i = 0; i < kCount; ++i) {
      P::go([&wg, each = total / kCount] {
        for (std::int64_t k = 0; k < each; ++k) P::yield();
        wg.done();
      });
    }
    wg.wait();
  });
}

template <typename P>
void ping_pong(Run& run) {
  const std::int64_t trips = run.count(1'000'000);
  typename P::template Channel<int> ping;
  typename P::template Channel<int> pong;
  WaitGroup<P> wg(1);
  P::go([&] {
    int value = 0;
    while (ping.recv(value)) pong.send(value);
    wg.done();
  });
  run.measure(trips, [&] {
    int value = 0;
    for (std::int64_t i = 0; i < trips; ++i) {
      ping.send(1);
      pong.recv(value);
    }
  });
  ping.close();
  wg.wait();
}

template <typename P, std::size_t kCapacity, std::int64_t kPairs, std::int64_t kFull>
void stream(Run& run) {
  const std::int64_t items = run.count(kFull, kPairs);
  std::int64_t received = 0;
  run.measure(items, [&] {
    typename P::template Channel<int> channel(kCapacity);
    WaitGroup<P> senders(kPairs);
    WaitGroup<P> receivers(kPairs);
    typename P::Mutex mutex;
    for (std::int64_t i = 0; i < kPairs; ++i) {
      P::go([&] {
        std::int64_t mine = 0;
        int value = 0;
        while (channel.recv(value)) ++mine;
        {
          typename P::Lock lock(mutex);
          received += mine;
        }
        receivers.done();
      });
      P::go([&, each = items / kPairs] {
        for (std::int64_t k = 0; k < each; ++k) channel.send(static_cast<int>(k));
        senders.done();
      });
    }
    senders.wait();
    channel.close();
    receivers.wait();
  });
  if (received != items) throw std::logic_error("items were lost");
}

template <typename P>
void uncontended(Run& run) {
  const std::int64_t total = run.count(20'000'000);
  typename P::Mutex mutex;
  std::int64_t counter = 0;
  run.measure(total, [&] {
    for (std::int64_t i = 0; i < total; ++i) {
      mutex.lock();
      ++counter;
      mutex.unlock();
    }
  });
  if (counter != total) throw std::logic_error("increments were lost");
}

inline constexpr std::int64_t kLockers = 8;

template <typename P>
void contended(Run& run) {
  const std::int64_t total = run.count(4'000'000, kLockers);
  typename P::Mutex mutex;
  std::int64_t counter = 0;
  std::uint64_t value = 1;
  run.measure(total, [&] {
    WaitGroup<P> wg(kLockers);
    for (std::int64_t i = 0; i < kLockers; ++i) {
      P::go([&] {
        for (std::int64_t k = 0; k < total / kLockers; ++k) {
          mutex.lock();
          value = work(value);
          ++counter;
          mutex.unlock();
        }
        wg.done();
      });
    }
    wg.wait();
  });
  if (counter != total || value == 0) throw std::logic_error("increments were lost");
}

template <typename P>
void readers_and_writers(Run& run) {
  const std::int64_t total = run.count(8'000'000, kLockers * 50);
  typename P::RwMutex mutex;
  std::int64_t counter = 0;
  std::array<std::int64_t, kLockers> seen{};
  run.measure(total, [&] {
    WaitGroup<P> wg(kLockers);
    for (std::int64_t i = 0; i < kLockers; ++i) {
      P::go([&, i] {
        std::int64_t last = 0;
        for (std::int64_t k = 0; k < total / kLockers; ++k) {
          if (k % 50 == 0) {
            mutex.lock();
            ++counter;
            mutex.unlock();
          } else {
            mutex.lock_shared();
            last = counter;
            mutex.unlock_shared();
          }
        }
        seen[static_cast<std::size_t>(i)] = last;
        wg.done();
      });
    }
    wg.wait();
  });
  if (counter != total / 50) throw std::logic_error("writes were lost");
  for (std::int64_t last : seen) {
    if (last < 1 || last > counter) throw std::logic_error("a reader saw what nobody wrote");
  }
}

// The channels are shared: a child may still be leaving send() when its parent has what it sent.
template <typename P>
void skynet_node(std::shared_ptr<typename P::template Channel<std::int64_t>> parent, std::int64_t number,
                 std::int64_t size) {
  if (size == 1) {
    parent->send(number);
    return;
  }
  auto children = std::make_shared<typename P::template Channel<std::int64_t>>();
  for (std::int64_t i = 0; i < 10; ++i) {
    P::go([children, first = number + i * (size / 10), below = size / 10] { skynet_node<P>(children, first, below); });
  }
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < 10; ++i) {
    std::int64_t value = 0;
    children->recv(value);
    sum += value;
  }
  parent->send(sum);
}

template <typename P>
void skynet(Run& run) {
  const std::int64_t most = run.count(1'000'000);
  std::int64_t leaves = 10;
  while (leaves * 10 <= most) leaves *= 10;
  std::int64_t sum = 0;
  run.measure(leaves, [&] {
    auto root = std::make_shared<typename P::template Channel<std::int64_t>>();
    P::go([root, leaves] { skynet_node<P>(root, 0, leaves); });
    root->recv(sum);
  });
  if (sum != leaves * (leaves - 1) / 2) throw std::logic_error("wrong sum");
  run.set_value(1e-6 * static_cast<double>(run.wall().count()));
}

template <typename P>
void parked(Run& run) {
  const auto milliseconds_since = [](steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
  };
  const std::int64_t total = run.count(1'000'000);
  typename P::Mutex mutex;
  typename P::CondVar all_parked;
  typename P::CondVar wake;
  std::int64_t waiting = 0;
  bool released = false;
  WaitGroup<P> wg(total);
  const std::int64_t before = resident_bytes();
  std::int64_t after = 0;
  run.measure(total, [&] {
    const auto start = steady_clock::now();
    for (std::int64_t i = 0; i < total; ++i) {
      P::go([&] {
        {
          typename P::Lock lock(mutex);
          if (++waiting == total) all_parked.notify_one();
          wake.wait(lock, [&] { return released; });
        }
        wg.done();
      });
    }
    steady_clock::time_point woken;
    {
      typename P::Lock lock(mutex);
      all_parked.wait(lock, [&] { return waiting == total; });
      run.add_metric("create_ms", milliseconds_since(start));
      after = resident_bytes();
      woken = steady_clock::now();
      released = true;
      wake.notify_all();
    }
    wg.wait();
    run.add_metric("wake_ms", milliseconds_since(woken));
  });
  run.set_value(static_cast<double>(after - before) / static_cast<double>(total));
}

template <typename P>
void million_sleeps(Run& run) {
  const std::int64_t total = run.count(1'000'000);
  run.measure(total, [&] {
    WaitGroup<P> wg(total);
    for (std::int64_t i = 0; i < total; ++i) {
      P::go([&wg, i] {
        P::sleep_for(milliseconds(1 + (i * 7919) % 1000));
        wg.done();
      });
    }
    wg.wait();
  });
  run.set_value(1e-6 * static_cast<double>(run.cpu().count()));
  run.add_metric("wall_ms", 1e-6 * static_cast<double>(run.wall().count()));
}

template <typename P, std::size_t kCount>
void lateness(Run& run) {
  const auto each = static_cast<std::size_t>(run.count(1000));
  std::vector<std::vector<double>> late(kCount, std::vector<double>(each));
  run.measure(static_cast<std::int64_t>(kCount * each), [&] {
    WaitGroup<P> wg(static_cast<std::int64_t>(kCount));
    for (std::vector<double>& mine : late) {
      P::go([&wg, &mine] {
        for (double& sample : mine) {
          const auto due = steady_clock::now() + milliseconds(1);
          P::sleep_for(milliseconds(1));
          sample = std::chrono::duration<double, std::micro>(steady_clock::now() - due).count();
        }
        wg.done();
      });
    }
    wg.wait();
  });
  std::vector<double> all;
  for (const std::vector<double>& mine : late) all.insert(all.end(), mine.begin(), mine.end());
  run.set_value(percentile(all, 0.99));
  run.add_metric("p50_us", percentile(all, 0.5));
  run.add_metric("busy_percent", 100.0 * static_cast<double>(run.cpu().count()) / static_cast<double>(run.wall().count()));
}

// Creel's fibers are abandoned; those of peers end some time after the measured section, as not all can be stopped else.
template <typename P>
void idle(Run& run) {
  const auto period =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(10) * run.scale());
  const std::int64_t fibers = std::min<std::int64_t>(run.count(100'000'000), 10'000);
  WaitGroup<P> started(fibers);
  WaitGroup<P> ended(fibers);
  for (std::int64_t i = 0; i < fibers; ++i) {
    P::go([&started, &ended, period] {
      started.done();
      P::sleep_for(2 * period + std::chrono::seconds(2));
      ended.done();
    });
  }
  started.wait();
  P::sleep_for(milliseconds(20));  // the last of them go to sleep, the system settles
  run.measure(fibers, [&] { P::sleep_for(period); });
  run.set_value(1e-6 * static_cast<double>(run.cpu().count()) / std::chrono::duration<double>(run.wall()).count());
  ended.wait();
}

template <typename P>
void short_calls(Run& run) {
  const std::int64_t total = run.count(2'000'000);
  run.measure(total, [&] {
    for (std::int64_t i = 0; i < total; ++i) P::blocking([] { return ::syscall(SYS_getppid); });
  });
}

template <typename P>
void long_calls(Run& run) {
  const std::int64_t rounds = run.count(500);
  run.measure(rounds, [&] {
    WaitGroup<P> wg(8);
    for (int i = 0; i < 8; ++i) {
      P::go([&wg, rounds] {
        for (std::int64_t k = 0; k < rounds; ++k) {
          P::blocking([] {
            const timespec millisecond{.tv_sec = 0, .tv_nsec = 1'000'000};
            return ::syscall(SYS_nanosleep, &millisecond, nullptr);
          });
        }
        wg.done();
      });
    }
    wg.wait();
  });
  run.set_value(1e-3 * run.value());
}

// A benchmark that a peer cannot do.
struct Lack {
  std::string_view name;
  std::string_view reason;
};

// Adds the benchmarks that P can run to the program's list, and the others with their reasons to what it leaves out. For
// the initialisation of a static object.
template <typename P>
bool add_rows() {
  for (const Lack& lack : P::kLacks) LeftOut(lack.name, lack.reason);
  const auto add = [](std::string_view name, std::string_view unit, void (*function)(Run&)) {
    for (const Lack& lack : P::kLacks) {
      if (lack.name == name) return;
    }
    Registration(name, unit, function);
  };
  add("spawn_batch", "ns/fiber", &spawn_batch<P>);
  add("spawn_million", "ns/fiber", &spawn_million<P>);
  if constexpr (requires { P::yield(); }) {
    add("yield_2", "ns/yield", &yields<P, 2>);
    add("yield_1000", "ns/yield", &yields<P, 1000>);
  } else {
    for (std::string_view name : {"yield_2", "yield_1000"}) LeftOut(name, "the peer's fibers cannot yield");
  }
  add("pingpong", "ns/round trip", &ping_pong<P>);
  add("chan_cap1_1to1", "ns/item", &stream<P, 1, 1, 2'000'000>);
  add("chan_cap128_1to1", "ns/item", &stream<P, 128, 1, 10'000'000>);
  add("chan_cap128_4to4", "ns/item", &stream<P, 128, 4, 10'000'000>);
  add("mutex_uncontended", "ns/lock", &uncontended<P>);
  add("mutex_8", "ns/lock", &contended<P>);
  if constexpr (requires { typename P::RwMutex; }) {
    add("rwmutex_8", "ns/lock", &readers_and_writers<P>);
  } else {
    LeftOut("rwmutex_8", "the peer has no rwmutex for fibers");
  }
  add("skynet", "ms", &skynet<P>);
  add("parked", "bytes/fiber", &parked<P>);
  add("sleep_million", "CPU ms", &million_sleeps<P>);
  add("sleep_late_1", "us p99", &lateness<P, 1>);
  add("sleep_late_100", "us p99", &lateness<P, 100>);
  add("idle_10000", "CPU ms/s", &idle<P>);
  if constexpr (requires { P::blocking([] { return 0L; }); }) {
    add("blocking_short", "ns/call", &short_calls<P>);
    add("blocking_1ms_8", "us/round", &long_calls<P>);
  } else {
    for (std::string_view name : {"blocking_short", "blocking_1ms_8"}) {
      LeftOut(name, "the peer cannot tell its scheduler of a call that blocks the thread");
    }
  }
  for (std::string_view name : {"select4_cap0", "select4_cap128"}) LeftOut(name, "the peer cannot select over channels");
  for (std::string_view name : {"read_file", "tcp_accept", "tcp_echo_1", "tcp_echo_64", "tcp_echo_1000", "tcp_held"}) {
    LeftOut(name, "files and network are compared with Go and with epoll only");
  }
  return true;
}

}  // namespace bench::peers
