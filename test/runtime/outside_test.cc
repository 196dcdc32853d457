// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Threads that creel did not start use channels, locks, go() and the rest: sched/outside.h.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "test/runtime/outside_util.h"

namespace creel::test {
namespace {

class Outside : public RuntimeTest {};
INSTANTIATE_RUNTIME_TEST(Outside);

TEST_P(Outside, SendsAndReceives) {
  run([] {
    creel::Channel<int> there;
    creel::Channel<int> back;
    std::vector<std::thread> threads;
    threads.push_back(attached_thread([&] {
      while (const std::optional<int> number = there.recv()) back.send(*number + 1);
      back.close();
    }));
    for (int i = 0; i < 200; ++i) {
      there.send(i);
      EXPECT_EQ(back.recv().value_or(-1), i + 1);
    }
    there.close();
    EXPECT_FALSE(back.recv().has_value());
    join_all(threads);
  });
}

// Threads and fibers together, over buffered channels and locks of each kind.
TEST_P(Outside, ThreadsAndFibersShareChannelsAndLocks) {
  run([] {
    constexpr int kThreads = 4;
    constexpr int kRounds = 200;
    creel::Channel<int> numbers(7);
    creel::Mutex mutex;
    creel::RWMutex rw_mutex;
    creel::CondVar changed;
    creel::Semaphore permits(2);
    long sum = 0;
    int finished = 0;
    std::atomic<int> inside{0};
    const auto produce = [&](int id) {
      for (int i = 0; i < kRounds; ++i) numbers.send(id * kRounds + i);
    };
    const auto consume = [&] {
      while (const std::optional<int> number = numbers.recv()) {
        permits.acquire();
        EXPECT_LE(++inside, 2);
        {
          std::lock_guard lock(mutex);
          sum += *number;
        }
        if (*number % 16 == 0) {
          std::unique_lock lock(rw_mutex);
        } else {
          std::shared_lock lock(rw_mutex);
        }
        --inside;
        permits.release();
      }
      std::lock_guard lock(mutex);
      ++finished;
      changed.notify_all();
    };
    creel::WaitGroup producers;
    std::vector<std::thread> threads;
    producers.add(2 * kThreads);
    for (int id = 0; id < kThreads; ++id) {
      threads.push_back(attached_thread([&, id] {
        produce(id);
        producers.done();
      }));
      threads.push_back(attached_thread([&] { consume(); }));
      creel::go([&, id] {
        produce(kThreads + id);
        producers.done();
      });
      creel::go(consume);
    }
    producers.wait();
    numbers.close();
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return finished == 2 * kThreads; });
    }
    join_all(threads);
    constexpr long kAll = 2L * kThreads * kRounds;
    EXPECT_EQ(sum, kAll * (kAll - 1) / 2);
  });
}

TEST_P(Outside, StartsFibersSleepsSelectsAndWaits) {
  run([] {
    std::atomic<int> ran{0};
    std::vector<std::thread> threads;
    for (int k = 0; k < 3; ++k) {
      threads.emplace_back([&ran] {
        EXPECT_EQ(creel::spawn([] { return 42; }).join(), 42);
        EXPECT_THROW(creel::spawn([]() -> int { throw std::runtime_error("x"); }).join(), std::runtime_error);
        creel::WaitGroup wg;
        for (int i = 0; i < 20; ++i) {
          wg.go([&ran] {
            creel::yield();
            ++ran;
          });
        }
        wg.wait();
        const auto start = creel::Clock::now();
        creel::sleep_for(2ms);
        EXPECT_GE(creel::Clock::now() - start, 2ms);
        creel::Channel<int> never;
        EXPECT_FALSE(never.recv_for(1ms).has_value());
        EXPECT_FALSE(never.send_for(1, 1ms));
        creel::Channel<int> soon;
        creel::go([&soon] { soon.send(7); });
        int got = 0;
        creel::select(creel::on_recv(soon, [&got](std::optional<int> number) { got = number.value_or(-1); }),
                      creel::on_recv(never));
        EXPECT_EQ(got, 7);
        creel::Timer timer(1ms);
        EXPECT_TRUE(timer.channel().recv().has_value());
        creel::Context context = creel::Context::background().with_timeout(1ms);
        EXPECT_FALSE(creel::sleep_for(context, 1h));
        creel::Once once;
        once.call([&ran] { ++ran; });
      });
    }
    join_all(threads);
    EXPECT_EQ(ran.load(), 3 * 21);
  });
}

// Its wait is decided, and the thread has not run yet.
TEST_P(Outside, AContextEndsWhenTheOnceIsDoneAlready) {
  run([] {
    for (int i = 0; i < 200; ++i) {
      creel::Once once;
      auto [context, cancel] = creel::Context::background().with_cancel();
      std::atomic<bool> comes{false};
      std::vector<std::thread> threads;
      once.call([&, given = context] {
        threads.push_back(attached_thread([&once, &comes, given] {
          comes = true;
          static_cast<void>(once.call(given, [] {}));
        }));
        await([&comes] { return comes.load(); });
        for (int k = 0; k < i; ++k) creel::yield();
      });
      cancel();
      join_all(threads);
    }
  });
}

TEST_P(Outside, StatsCountFibersThatBlockAndNoThreads) {
  run([] {
    std::vector<std::thread> threads;
    std::promise<void> end;
    const std::shared_future<void> ended(end.get_future());
    for (int k = 0; k < 4; ++k) {
      threads.push_back(attached_thread([k, ended] {
        for (int i = 0; i < 20; ++i) creel::go([] {});
        if (k % 2 == 0) ended.wait();
      }));
    }
    await([] { return creel::stats().blocking == 0; });
    creel::WaitGroup wg;
    for (int k = 0; k < 2; ++k) {
      wg.go([released = std::make_shared<std::shared_future<void>>(ended)] { creel::blocking([&] { released->wait(); }); });
    }
    await([] { return creel::stats().blocking == 2; });
    end.set_value();
    wg.wait();
    await([] { return creel::stats().blocking == 0; });
    join_all(threads);
  });
}

// A thread that is attached may do something yet: not a deadlock. One that ended does not hold up anything.
TEST_P(Outside, ThreadsComeAndGo) {
  run([] {
    for (int i = 0; i < 30; ++i) {
      creel::Channel<int> channel;
      std::vector<std::thread> threads;
      std::atomic<bool> attached{false};
      threads.emplace_back([&] {
        const creel::ThreadScope scope;
        attached = true;
        std::this_thread::sleep_for(100us);
        channel.send(i);
      });
      await([&attached] { return attached.load(); });
      EXPECT_EQ(channel.recv().value_or(-1), i);
      join_all(threads);
    }
    EXPECT_EQ(creel::fiber_count(), 1u) << "their fibers have ended";
  });
}

// Nobody knows of the thread when the fiber begins to wait: an ExpectThreads says that it will come.
TEST_P(Outside, ExpectedThreadsAreWaitedFor) {
  run([] {
    creel::Channel<int> channel;
    std::atomic<bool> waits{false};
    std::thread thread([&, hold = creel::ExpectThreads()] {
      while (creel::dump().find("[chan receive") == std::string::npos) std::this_thread::yield();
      waits = true;
      channel.send(3);
    });
    EXPECT_EQ(channel.recv().value_or(-1), 3);
    EXPECT_TRUE(waits);
    creel::blocking([&thread] { thread.join(); });
  });
  creel::ExpectThreads first;  // without a runtime, and beyond one
  const creel::ExpectThreads moved(std::move(first));
  run([] { creel::sleep_for(1ms); });
}

// One thread, several runtimes after one another.
TEST_P(Outside, AThreadServesOneRuntimeAfterAnother) {
  std::mutex mutex;
  std::condition_variable changed;
  creel::Channel<int>* channel = nullptr;
  int round = 0;
  std::thread thread([&] {
    for (int i = 1; i <= 4; ++i) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return round == i; });
      channel->send(i);
    }
  });
  for (int i = 1; i <= 4; ++i) {
    run([&] {
      creel::Channel<int> own(1);  // the thread does not park: it would stay so when the runtime ends
      {
        std::lock_guard lock(mutex);
        channel = &own;
        round = i;
      }
      changed.notify_all();
      std::optional<int> got;
      while (!got) got = own.recv_for(10ms);
      EXPECT_EQ(*got, i);
    });
  }
  thread.join();
}

// --- More than it looks

TEST_P(Outside, ErrorsAreThrownOnTheThreadWhichGoesOn) {
  run([] {
    creel::Channel<int> closed;
    closed.close();
    std::vector<std::thread> threads;
    threads.emplace_back([&closed] {
      struct Uncopyable {
        Uncopyable() = default;
        Uncopyable(const Uncopyable&) { throw std::runtime_error("copied"); }
        void operator()() const {}
      } uncopyable;
      for (int i = 0; i < 3; ++i) {
        EXPECT_THROW(closed.send(1), creel::ChannelClosed);
        EXPECT_THROW(static_cast<void>(closed.send_for(1, 1ms)), creel::ChannelClosed);
        EXPECT_THROW(creel::go(uncopyable), std::runtime_error);
        EXPECT_THROW(creel::go({.stack_size = 3}, [] {}), std::invalid_argument);
        EXPECT_THROW(creel::run_on([]() -> int { throw std::system_error(std::make_error_code(std::errc::timed_out)); }),
                     std::system_error);
        creel::Once once;
        EXPECT_THROW(once.call([] { throw std::logic_error("not yet"); }), std::logic_error);
        EXPECT_EQ(creel::run_on([] { return 7; }), 7);
      }
    });
    join_all(threads);
    await([] { return creel::fiber_count() == 1; });
  });
}

TEST_P(Outside, ContextsTimersBarriersAndYields) {
  run([] {
    std::vector<std::thread> threads;
    creel::Barrier barrier(4);
    creel::Channel<void> stop;
    std::atomic<int> cancelled{0};
    for (int k = 0; k < 3; ++k) {
      threads.push_back(attached_thread([&] {
        auto [context, source] = creel::Context::background().with_cancel();
        std::atomic<bool> seen{false};
        creel::go([&seen, context = context] {
          creel::wait_done(context);
          seen = true;
        });
        const creel::AfterFunc after = creel::after_func(context, [&cancelled] { ++cancelled; });
        source.cancel();
        while (!seen) creel::yield();
        creel::Ticker ticker(1ms);
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(ticker.channel().recv().has_value());
        ticker.stop();
        EXPECT_EQ(creel::select(creel::on_recv(stop), creel::after(1ms)), 1u);
        EXPECT_EQ(creel::select(creel::on_recv(stop), creel::otherwise()), 1u);
        creel::sleep_for(0ms);
        barrier.arrive_and_wait();
      }));
    }
    barrier.arrive_and_wait();
    join_all(threads);
    await([&cancelled] { return cancelled.load() == 3; });
  });
}

TEST_P(Outside, WhatNeedsAFiberRunsOnOne) {
  run([] {
    std::vector<std::thread> threads;
    threads.emplace_back([] {
      const std::string echoed = creel::run_on([] {
        creel::net::TcpListener listener = creel::net::TcpListener::bind("127.0.0.1:0");
        creel::JoinHandle<void> server = creel::spawn([&listener] {
          creel::net::TcpStream stream = listener.accept();
          stream.write_all("hello");
        });
        creel::net::TcpStream stream = creel::net::TcpStream::connect(listener.local_address());
        std::string text;
        std::array<char, 8> room;
        while (const std::size_t got = stream.read_some(room)) text.append(room.data(), got);
        server.join();
        return text;
      });
      EXPECT_EQ(echoed, "hello");
    });
    join_all(threads);
  });
}

// Locals of a thread are destroyed in the opposite order of their making: this one after the thread has been detached.
struct AtThreadEnd {
  std::function<void()> what;
  ~AtThreadEnd() {
    if (what) what();
  }
};

TEST_P(Outside, DestructorsOfThreadLocalsMayCallToo) {
  run([] {
    creel::Channel<int> channel;
    std::vector<std::thread> threads;
    const creel::ExpectThreads expect;  // between those calls nobody knows of the thread
    for (int k = 0; k < 3; ++k) {
      threads.emplace_back([&channel] {
        thread_local AtThreadEnd at_end;  // before the thread is attached
        at_end.what = [&channel] {
          channel.send(1);
          EXPECT_EQ(creel::run_on([] { return 3; }), 3);
          channel.send(2);
        };
        creel::yield();
      });
    }
    int sum = 0;
    for (int i = 0; i < 6; ++i) sum += channel.recv().value_or(-100);
    EXPECT_EQ(sum, 9);
    join_all(threads);
    await([] { return creel::fiber_count() == 1; });
  });
}

// A thread that only wakes fibers, while one runtime after another starts and ends.
TEST(OutsideWakes, ThroughManyRuntimes) {
  const Watchdog watchdog;
  static creel::Channel<int> channel(0);
  std::atomic<bool> done{false};
  std::thread thread([&done] {
    while (!done) {
      static_cast<void>(channel.try_send(1));  // found only while a main fiber waits
      std::this_thread::yield();
    }
  });
  for (int round = 0; round < 100; ++round) {
    EXPECT_EQ(run_with(1 + round % 2,
                       [] {
                         const creel::ExpectThreads expect;
                         for (int i = 0; i < 3; ++i) EXPECT_EQ(channel.recv().value_or(-1), 1);
                       }),
              0);
  }
  done = true;
  thread.join();
}

// --- Schedule fuzzing

class OutsideFuzzed : public testing::TestWithParam<const char*> {
 private:
  Watchdog watchdog_;
};
INSTANTIATE_TEST_SUITE_P(, OutsideFuzzed,
                         testing::Values("3", "4", "deterministic:3", "deterministic:4", "deterministic:5", "pct:3", "pct:4"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name) c = c == ':' ? '_' : c;
                           return name;
                         });

TEST_P(OutsideFuzzed, ThreadsMakeProgress) {
  creel::Options options;
  options.fuzz = GetParam();
  options.log_level = "error";  // that threads outside take part is warned of
  const int status = creel::run(options, [] {
    const creel::ExpectThreads expect;
    creel::Channel<int> numbers(2);
    creel::Channel<int> sums;
    creel::Mutex mutex;
    std::atomic<int> shared{0};
    std::vector<std::thread> threads;
    for (int k = 0; k < 2; ++k) {
      threads.emplace_back([&] {
        int sum = 0;
        while (const std::optional<int> number = numbers.recv()) {
          sum += *number;
          const std::lock_guard lock(mutex);
          ++shared;
        }
        creel::sleep_for(1ms);
        creel::go([&sums, sum] { sums.send(sum); });
      });
      threads.emplace_back([&numbers] {
        for (int i = 0; i < 20; ++i) {
          if (!numbers.try_send(1)) numbers.send(1);
        }
      });
    }
    creel::WaitGroup fibers;
    for (int k = 0; k < 2; ++k) {
      fibers.go([&] {
        for (int i = 0; i < 30; ++i) {
          numbers.send(100);
          const std::lock_guard lock(mutex);
          ++shared;
        }
      });
    }
    fibers.wait();
    while (shared < 60 + 60 + 40) creel::sleep_for(1ms);
    numbers.close();
    EXPECT_EQ(sums.recv().value_or(0) + sums.recv().value_or(0), 60 * 100 + 40);
    // In a deterministic run blocking() holds up all fibers: the threads must have done with creel.
    for (std::thread& thread : threads) creel::blocking([&thread] { thread.join(); });
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace creel::test
