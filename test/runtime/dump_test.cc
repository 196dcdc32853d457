// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// creel::dump(): what it says of fibers that wait, and of those that run.

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "creel/sched/lock_waits.h"
#include "creel/sched/wait_object.h"
#include "creel/tracer/symbolize.h"
#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

#if defined(CREEL_TSAN)
constexpr bool kRunningStacks = false;  // TSan holds a signal back until the thread makes a call that it knows
#else
constexpr bool kRunningStacks = true;
#endif
#if defined(CREEL_TSAN) || defined(CREEL_ASAN)
constexpr bool kBlockedStacks = false;  // the sanitizer's part of a call has no frame pointers, which hides the caller
#else
constexpr bool kBlockedStacks = true;
#endif

// Until dump() contains `text`.
void await_dump(const std::string& text) {
  await([&] { return creel::dump().find(text) != std::string::npos; });
}

// The block of dump() that has `name`, up to the next empty line.
std::string block_of(const std::string& dump, const std::string& name) {
  const std::size_t at = dump.find('"' + name + '"');
  if (at == std::string::npos) return {};
  const std::size_t begin = dump.rfind("\n\n", at);
  return dump.substr(begin == std::string::npos ? 0 : begin + 2, dump.find("\n\n", at) - begin);
}

class DumpTest : public RuntimeTest {};
INSTANTIATE_RUNTIME_TEST(DumpTest);

TEST_P(DumpTest, NamesAMutexAndItsHolder) {
  run([] {
    creel::Mutex mutex;
    creel::Channel<int> gate;
    creel::WaitGroup done;
    std::atomic<bool> locked{false};
    std::uint64_t holder = 0;
    done.add(2);
    creel::go({.name = "holder"}, [&] {
      holder = creel::this_fiber::id();
      mutex.lock();
      locked.store(true);
      static_cast<void>(gate.recv());
      mutex.unlock();
      done.done();
    });
    await([&] { return locked.load(); });
    creel::go({.name = "waiter"}, [&] {
      mutex.lock();
      mutex.unlock();
      done.done();
    });
    await_dump(", held by fiber");
    const std::string dump = creel::dump();
    EXPECT_THAT(block_of(dump, "waiter"), ContainsRegex("\"waiter\" \\[sync(, [0-9]+ s)?\\]:\n    waits for Mutex 0x[0-9a-f]+, held by fiber " +
                                                        std::to_string(holder) + " \"holder\"\n"));
    EXPECT_THAT(block_of(dump, "waiter"), HasSubstr("creel::Mutex::lock"));
    EXPECT_THAT(dump, Not(HasSubstr("one another's")));
    gate.close();
    done.wait();
  });
}

TEST_P(DumpTest, NamesHoldersOfOtherLocks) {
  run([] {
    creel::RWMutex mutex;
    creel::Once once;
    creel::Channel<int> gate;
    creel::WaitGroup done;
    std::atomic<int> taken{0};
    done.go([&] {
      std::unique_lock lock(mutex);
      once.call([&] {
        taken.fetch_add(1);
        static_cast<void>(gate.recv());
      });
    });
    await([&] { return taken.load() == 1; });
    creel::RWMutex read_by_two;
    read_by_two.lock_shared();
    read_by_two.lock_shared();
    const auto start = [&](const char* name, auto body) {
      done.add(1);
      creel::go({.name = name}, [&done, body] {
        body();
        done.done();
      });
    };
    start("writer", [&] { std::unique_lock lock(mutex); });
    start("reader", [&] { std::shared_lock lock(mutex); });
    start("late", [&] { once.call([] {}); });
    start("behind readers", [&] { std::unique_lock lock(read_by_two); });
    std::string dump;
    const auto waits = [&dump](const char* name, const std::string& object) {
      return testing::Value(block_of(dump, name), ContainsRegex("waits for " + object));
    };
    const std::string held = " 0x[0-9a-f]+, held by fiber [0-9]+\n";
    await([&] {
      dump = creel::dump();
      return waits("writer", "RWMutex" + held) && waits("reader", "RWMutex" + held) && waits("late", "Once" + held) &&
             waits("behind readers", "RWMutex 0x[0-9a-f]+, held by 2 readers\n");
    });
    read_by_two.unlock_shared();
    read_by_two.unlock_shared();
    gate.close();
    done.wait();
    EXPECT_THAT(creel::dump(), Not(HasSubstr("held by")));
  });
}

TEST_P(DumpTest, NamesADescriptor) {
  run([] {
    auto listener = creel::net::TcpListener::bind("127.0.0.1:0");
    creel::WaitGroup done;
    done.go([&] {
      std::error_code error;
      static_cast<void>(listener.accept(error));
      EXPECT_EQ(error, creel::net::Errc::closed);
    });
    await_dump("    waits for descriptor ");
    EXPECT_THAT(creel::dump(), ContainsRegex("\\[network(, [0-9]+ s)?\\]:\n    waits for descriptor [0-9]+\n"));
    listener.close();
    done.wait();
  });
}

TEST_P(DumpTest, ForgetsAHolderThatHasUnlocked) {
  run([] {
    creel::Mutex mutex;
    mutex.lock();
    creel::WaitGroup done;
    done.go([&] {
      EXPECT_TRUE(mutex.try_lock_for(std::chrono::hours(1)));  // now the holder, by hand-over or by itself
      creel::WaitGroup inner;
      inner.add(1);
      creel::go({.name = "inner"}, [&] {
        mutex.lock();
        mutex.unlock();
        inner.done();
      });
      await_dump("held by fiber " + std::to_string(creel::this_fiber::id()));
      mutex.unlock();
      inner.wait();
    });
    await_dump("held by fiber " + std::to_string(creel::this_fiber::id()));
    mutex.unlock();
    done.wait();
  });
}

TEST_P(DumpTest, GroupsEqualStacks) {
  run([] {
    std::vector<std::unique_ptr<creel::Channel<int>>> gates;
    creel::WaitGroup done;
    for (int i = 0; i < 8; ++i) {
      creel::Channel<int>& gate = *gates.emplace_back(std::make_unique<creel::Channel<int>>());
      done.go([&gate] { static_cast<void>(gate.recv()); });
    }
    await_dump("    and 3 more\n");
    EXPECT_THAT(creel::dump(), ContainsRegex("8 fibers: [0-9, ]+ \\[chan receive(, [0-9]+ s)?\\]:\n(    waits for Channel 0x[0-9a-f]+\n){5}"
                                             "    and 3 more\n"));
    for (auto& gate : gates) gate->close();
    done.wait();
  });
}

TEST_P(DumpTest, NamesACircleWhileOthersRun) {
  run([] {
    creel::Mutex first;
    creel::Mutex second;
    std::atomic<int> locked{0};
    const auto [context, cancel] = creel::Context::background().with_cancel();
    creel::WaitGroup done;
    const auto start = [&](const char* name, creel::Mutex& mine, creel::Mutex& other) {
      done.add(1);
      creel::go({.name = name}, [&locked, &done, &mine, &other, context = context] {
        mine.lock();
        locked.fetch_add(1);
        await([&] { return locked.load() == 2; });
        if (other.lock(context)) other.unlock();  // the one whose wait did not end first
        mine.unlock();
        done.done();
      });
    };
    start("one", first, second);
    start("two", second, first);
    await_dump("one another's");
    EXPECT_THAT(creel::dump(), ContainsRegex("^2 fibers wait for one another's locks:\n"
                                             "    fiber [0-9]+ \"(one|two)\" waits for Mutex 0x[0-9a-f]+, held by fiber [0-9]+ "
                                             "\"(one|two)\"\n"
                                             "    fiber [0-9]+ \"(one|two)\" waits for Mutex 0x[0-9a-f]+, held by fiber [0-9]+ "
                                             "\"(one|two)\"\n\n"));
    cancel();
    done.wait();
  });
}

// --- Fibers that run

std::atomic<bool> spinning{false};
bool stop_spinning = false;  // by builtins
int gate_ends[2];

// By builtins: of std::atomic's functions the linker may, without optimisation, take the copies that test_runtime_loops was
// compiled with, and those have safe points.
__attribute__((noinline)) void spin_without_safe_points() {
  spinning.store(true);
  while (!__atomic_load_n(&stop_spinning, __ATOMIC_RELAXED)) {
  }
}

__attribute__((noinline)) void block_without_saying_so() {
  spinning.store(true);
  char c = 0;
  EXPECT_EQ(::read(gate_ends[0], &c, 1), 1);
  asm volatile("" ::: "memory");  // no tail call
}

// Runs `body` on both Ps, dumps from a thread of its own, and returns the dump that has `text`.
std::string dump_of_stuck(void (*body)(), const std::string& text) {
  const Watchdog watchdog;
  spinning.store(false);
  __atomic_store_n(&stop_spinning, false, __ATOMIC_RELAXED);
  EXPECT_EQ(pipe(gate_ends), 0);
  std::string dump;
  std::thread observer([&] {
    while (!spinning.load()) std::this_thread::yield();
    do {
      dump = creel::dump();
    } while (dump.find(text) == std::string::npos);
    __atomic_store_n(&stop_spinning, true, __ATOMIC_RELAXED);
    EXPECT_EQ(::write(gate_ends[1], "x", 1), 1);
  });
  run_with(1, [&] {
    creel::WaitGroup done;
    done.go([body] { body(); });
    done.wait();
  });
  observer.join();
  ::close(gate_ends[0]);
  ::close(gate_ends[1]);
  return dump;
}

// A fiber that looks at dumps all the time does not keep the only P from another.
TEST(DumpOfRunning, LetsOthersRun) {
  std::atomic<bool> ran{false};
  run_with(1, [&ran] {
    creel::go([&ran] { ran.store(true); });
    std::string dump;
    do {
      dump = creel::dump();
    } while (!ran.load());
    // What dump() calls stands above it where the linker has made it one function.
    EXPECT_THAT(dump, ContainsRegex("fiber [0-9]+ \\[running\\]:\n[^~]*    creel::dump\n"));
  });
}

TEST(DumpOfRunning, ShowsALoop) {
  const std::string dump = dump_of_stuck(spin_without_safe_points, kRunningStacks ? "spin_without_safe_points" : "[running]");
  EXPECT_THAT(dump, ContainsRegex("fiber [0-9]+ \\[running\\]:"));
}

TEST(DumpOfRunning, ShowsACallThatBlocks) {
  const std::string wanted = kBlockedStacks ? "block_without_saying_so" : "[running]:";
  const std::string dump = dump_of_stuck(block_without_saying_so, wanted);
  EXPECT_THAT(dump, ContainsRegex(kBlockedStacks ? "\\[running\\]:[^[]*" + wanted : "\\[running\\]:"));
}

// Leaves frames, whole and leading to the caller's, below it.
__attribute__((noinline)) int leave_frames_behind(int depth) {
  volatile int below = 0;
  if (depth != 0) below = leave_frames_behind(depth - 1);
  return below + 1;
}

// Its room is where they are.
__attribute__((noinline)) void block_above_old_frames() {
  char room[4096];
  asm volatile("" : : "r"(room) : "memory");
  spinning.store(true);
  EXPECT_EQ(::read(gate_ends[0], room, 1), 1);
  asm volatile("" ::: "memory");
}

TEST(DumpOfRunning, ShowsNoCallThatHasReturned) {
  const std::string wanted = kBlockedStacks ? "block_above_old_frames" : "[running]:";
  const std::string dump = dump_of_stuck(
      [] {
        EXPECT_EQ(leave_frames_behind(20), 21);
        block_above_old_frames();
      },
      wanted);
  EXPECT_THAT(dump, Not(HasSubstr("leave_frames_behind")));
}

TEST(DumpOfRunning, ShowsABlockingSection) {
  const std::string wanted = kBlockedStacks ? "block_without_saying_so" : "[blocking call]:";
  const std::string dump = dump_of_stuck([] { creel::blocking([] { block_without_saying_so(); }); }, wanted);
  EXPECT_THAT(dump, ContainsRegex(kBlockedStacks ? "\\[blocking call\\]:[^[]*" + wanted : "\\[blocking call\\]:"));
}

// --- Names

// Each Symbolizer maps the files it reads; the next one must not take those copies for the loaded libraries.
TEST(Names, AreFoundWhileCopiesOfTheLibrariesAreMapped) {
  std::vector<std::unique_ptr<tracer::Symbolizer>> all;
  for (int i = 0; i < 20; ++i) {
    tracer::Symbolizer& symbolizer = *all.emplace_back(std::make_unique<tracer::Symbolizer>());
    EXPECT_FALSE(symbolizer.resolve(reinterpret_cast<std::uintptr_t>(&::strtol)).empty());
    EXPECT_FALSE(symbolizer.resolve(reinterpret_cast<std::uintptr_t>(&spin_without_safe_points)).empty());
  }
}

// --- Circles

const void* mutex(std::uintptr_t address) {
  return sched::tag(reinterpret_cast<const void*>(address), sched::WaitKind::kMutex);
}

TEST(LockWaits, Circles) {
  EXPECT_TRUE(sched::find_circles({}).empty());
  EXPECT_TRUE(sched::find_circles({{1, mutex(0x100), 2}, {2, mutex(0x200), 3}, {4, mutex(0x100), 2}}).empty());
  const auto self = sched::find_circles({{1, mutex(0x100), 1}});
  ASSERT_EQ(self.size(), 1u);
  EXPECT_EQ(self[0].size(), 1u);
  // 5 and 6 wait for one in the circle of 1, 2, 3; 7 and 8 are another.
  const auto circles = sched::find_circles(
      {{5, mutex(0x500), 6}, {6, mutex(0x100), 2}, {1, mutex(0x100), 2}, {2, mutex(0x200), 3},
       {3, mutex(0x300), 1}, {7, mutex(0x700), 8}, {8, mutex(0x800), 7}, {9, mutex(0x900), 4}});
  ASSERT_EQ(circles.size(), 2u);
  ASSERT_EQ(circles[0].size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(circles[0][i].holder, circles[0][(i + 1) % 3].waiter);
  EXPECT_EQ(circles[1].size(), 2u);
}

TEST(LockWaits, Text) {
  const std::string text =
      sched::describe_circles({{{7, mutex(0x1000), 8}, {8, mutex(0x2000), 7}}, {{3, mutex(0x3000), 3}}}, {{7, "7 \"a\""}});
  EXPECT_EQ(text,
            "2 fibers wait for one another's locks:\n"
            "    fiber 7 \"a\" waits for Mutex 0x1000, held by fiber 8\n"
            "    fiber 8 waits for Mutex 0x2000, held by fiber 7 \"a\"\n\n"
            "a fiber waits for a lock that it holds itself:\n"
            "    fiber 3 waits for Mutex 0x3000, held by itself\n\n");
}

TEST(LockWaits, SurviveALockThatIsGone) {
  EXPECT_FALSE(sched::hold_of(nullptr, tracer::BlockReason::kSync).is_lock);
  EXPECT_EQ(sched::hold_of(mutex(0x10000), tracer::BlockReason::kSync).fiber, 0u);
}

TEST(LockWaits, Objects) {
  using tracer::BlockReason;
  EXPECT_EQ(sched::describe_object(nullptr, BlockReason::kSync), "");
  EXPECT_EQ(sched::describe_object(mutex(0x1000), BlockReason::kSync), "Mutex 0x1000");
  EXPECT_EQ(sched::describe_object(reinterpret_cast<const void*>(0x1000), BlockReason::kSync), "Once 0x1000");
  EXPECT_EQ(sched::describe_object(reinterpret_cast<const void*>(0x1000), BlockReason::kSleep), "");
  for (const int number : {0, 5, 1 << 20, std::numeric_limits<int>::max() - 1}) {
    EXPECT_EQ(sched::describe_object(sched::tag_number(number), BlockReason::kNetwork), "descriptor " + std::to_string(number));
  }
}

class DeadlockDeathTest : public DeathTest {};

TEST_F(DeadlockDeathTest, NamesCircles) {
  EXPECT_EXIT(creel::run([] {
                creel::Mutex mutex;
                mutex.lock();
                mutex.lock();
              }),
              testing::ExitedWithCode(2),
              "all fibers are asleep - deadlock!\n\na fiber waits for a lock that it holds itself:\n    fiber [0-9]+ waits for "
              "Mutex 0x[0-9a-f]+, held by itself\n");
  EXPECT_EXIT(creel::run([] {
                creel::Mutex first;
                creel::Mutex second;
                creel::Mutex third;
                creel::Channel<int> gate;
                creel::WaitGroup started;
                const auto start = [&](const char* name, creel::Mutex& a, creel::Mutex& b) {
                  started.add(1);
                  creel::go({.name = name}, [&gate, &started, &a, &b] {
                    a.lock();
                    started.done();
                    static_cast<void>(gate.recv());
                    b.lock();
                  });
                };
                start("x", first, second);
                start("y", second, third);
                start("z", third, first);
                started.wait();
                gate.close();
                static_cast<void>(creel::Channel<int>().recv());
              }),
              testing::ExitedWithCode(2),
              "3 fibers wait for one another's locks:\n(    fiber [0-9]+ \"[xyz]\" waits for Mutex 0x[0-9a-f]+, held by fiber "
              "[0-9]+ \"[xyz]\"\n)+");
}

// --- The monitor's report

class StuckDeathTest : public DeathTest {};

// Leaves with 77 when the log names `text`.
[[noreturn]] void await_report(void (*body)(), const std::string& text) {
  const int shown = dup(STDERR_FILENO);
  int ends[2];
  if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0) std::_Exit(1);
  std::thread([&] {
    std::string log;
    char c = 0;
    while (::read(ends[0], &c, 1) == 1) {
      static_cast<void>(!::write(shown, &c, 1));  // seen if the test fails
      log += c;
      const std::size_t report = log.find("without reaching a safe point");
      if (report != std::string::npos && log.find(text, report) != std::string::npos) std::_Exit(77);
    }
    std::_Exit(1);
  }).detach();
  EXPECT_EQ(pipe(gate_ends), 0);
  creel::run({.procs = 2}, [body] {
    creel::go({.name = "culprit"}, [body] { body(); });
    for (;;) creel::sleep_for(std::chrono::milliseconds(10));
  });
  std::_Exit(1);
}

TEST_F(StuckDeathTest, IsNamedWithItsStack) {
  const std::string any = "\"culprit\" [running]";
  EXPECT_EXIT(await_report(spin_without_safe_points, kRunningStacks ? "spin_without_safe_points" : any),
              testing::ExitedWithCode(77), "");
  EXPECT_EXIT(await_report(block_without_saying_so, kBlockedStacks ? "block_without_saying_so" : any),
              testing::ExitedWithCode(77), "");
}

}  // namespace
}  // namespace creel::test
