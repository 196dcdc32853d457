// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Threads that creel did not start (sched/outside.h) in traces and dumps.

#include <gmock/gmock.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/runtime/outside_util.h"
#include "test/support/go_trace.h"
#include "test/support/trace_event.h"

namespace creel::test {
namespace {

class OutsideSeen : public RuntimeTest {};
INSTANTIATE_RUNTIME_TEST(OutsideSeen);

TEST_P(OutsideSeen, TracesShowAFiberCreatedInASyscall) {
  CREEL_REQUIRE_GO_TRACE();
  const std::string path = test_directory() + "/trace";
  run([&] {
    auto session = creel::trace::start(path);
    creel::Channel<int> there;
    creel::Channel<int> back(3);
    std::vector<std::thread> threads;
    for (int k = 0; k < 3; ++k) {
      threads.push_back(attached_thread([&] {
        while (const std::optional<int> number = there.recv()) {
          back.send(*number);
          creel::go([] {});
        }
      }));
    }
    for (int i = 0; i < 100; ++i) {
      there.send(i);
      static_cast<void>(back.recv());
      if (i % 30 == 0) creel::sleep_for(1ms);
    }
    there.close();
    join_all(threads);
    session.stop();
  });
  std::map<std::int64_t, std::vector<std::string>> courses;  // of those that came into being in a syscall
  for (const Event& event : load_trace(path)) {
    if (!event.is_goroutine_transition()) continue;
    if (event.from == State::kNotExist && event.to == State::kSyscall) courses[event.id] = {};
    if (const auto found = courses.find(event.id); found != courses.end()) {
      found->second.push_back(std::string(to_string(event.from)) + "->" + std::string(to_string(event.to)));
    }
  }
  ASSERT_EQ(courses.size(), 3u);
  for (const auto& [id, course] : courses) {
    ASSERT_GT(course.size(), 6u);
    EXPECT_EQ(course[0], "NotExist->Syscall");
    EXPECT_EQ(course[1], "Syscall->Runnable");
    EXPECT_EQ(course[2], "Runnable->Running");
    EXPECT_EQ(course.back(), "Syscall->NotExist");
    EXPECT_THAT(course, testing::Contains("Running->Waiting"));
  }
}

TEST_P(OutsideSeen, TracingStartsAndStopsWhileThreadsComeAndGo) {
  CREEL_REQUIRE_GO_TRACE();
  constexpr int kTraces = 5;
  const auto path = [](int i) { return test_directory() + "/trace" + std::to_string(i); };
  run([&] {
    const creel::ExpectThreads expect;
    creel::Channel<int> there(1);
    creel::Channel<int> back;
    creel::Mutex mutex;
    std::atomic<bool> done{false};
    std::atomic<int> visits{0};
    creel::WaitGroup served;
    served.go([&] {
      while (const std::optional<int> number = there.recv()) back.send(*number);
    });
    const auto visit = [&] {
      there.send(1);
      static_cast<void>(back.recv());
      {
        const std::lock_guard lock(mutex);
        creel::go([] {});
      }
      if (++visits % 4 == 0) creel::sleep_for(100us);
    };
    std::vector<std::thread> threads;
    for (int k = 0; k < 2; ++k) {
      threads.emplace_back([&] {  // never attached itself
        while (!done) std::thread(visit).join();
      });
    }
    threads.push_back(attached_thread([&] {
      while (!done) visit();
    }));
    for (int i = 0; i < kTraces; ++i) {
      creel::trace::Session session = creel::trace::start(path(i));
      for (const int before = visits; visits < before + 40;) {
        const std::lock_guard lock(mutex);  // that threads wait for it, too
        creel::sleep_for(50us);
      }
      EXPECT_FALSE(session.stop());
    }
    done = true;
    join_all(threads);
    there.close();
    served.wait();
  });
  for (int i = 0; i < kTraces; ++i) EXPECT_TRUE(trace_accepted(path(i)));
}

// Dumps walk the stacks of parked fibers, those of threads that end and are unmapped meanwhile as well.
TEST_P(OutsideSeen, DumpsWhileThreadsComeAndGo) {
  run([] {
    creel::Channel<int> channel;
    std::atomic<bool> done{false};
    std::thread dumper([&done] {
      while (!done) EXPECT_FALSE(creel::dump().empty());
    });
    const creel::ExpectThreads expect;
    for (int round = 0; round < 20; ++round) {
      std::vector<std::thread> threads;
      for (int k = 0; k < 4; ++k) threads.emplace_back([&channel] { EXPECT_EQ(channel.recv().value_or(-1), 5); });
      for (int k = 0; k < 4; ++k) {
        channel.send(5);
        EXPECT_FALSE(creel::dump().empty());
      }
      join_all(threads);
    }
    done = true;
    creel::blocking([&dumper] { dumper.join(); });
  });
}

// A thread that got the lock by itself, or handed over, holds it while a fiber waits.
template <typename Lock>
void expect_thread_named_as_holder(bool handed_over) {
  Lock lock;
  std::promise<void> release;
  std::atomic<bool> has{false};
  if (handed_over) lock.lock();
  std::thread thread = attached_thread([&] {
    lock.lock();
    has = true;
    release.get_future().wait();
    lock.unlock();
  });
  const auto await_waiter = [] { await([] { return creel::dump().find("[sync") != std::string::npos; }); };
  if (handed_over) {
    await_waiter();
    lock.unlock();
  }
  await([&has] { return has.load(); });
  creel::WaitGroup waiter;
  waiter.go([&lock] {
    lock.lock();
    lock.unlock();
  });
  await_waiter();
  EXPECT_THAT(creel::dump(), testing::ContainsRegex("waits for (RW)?Mutex 0x[0-9a-f]+, held by fiber [0-9]+\n"));
  release.set_value();
  waiter.wait();
  creel::blocking([&thread] { thread.join(); });
}

TEST_P(OutsideSeen, DumpsNameAThreadThatHoldsALock) {
  run([] {
    for (const bool handed_over : {false, true}) {
      expect_thread_named_as_holder<creel::Mutex>(handed_over);
      expect_thread_named_as_holder<creel::RWMutex>(handed_over);
    }
  });
}

}  // namespace
}  // namespace creel::test
