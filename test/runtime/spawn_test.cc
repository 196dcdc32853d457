// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include <atomic>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "creel/sched/fiber.h"
#include "creel/sched/park.h"
#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

class Spawn : public RuntimeTest {};
INSTANTIATE_RUNTIME_TEST(Spawn);

TEST_P(Spawn, JoinGivesValuesReferencesAndMoveOnlyTypes) {
  run([] {
    EXPECT_EQ(creel::spawn([] { return 42; }).join(), 42);
    creel::spawn([] {}).join();
    int target = 1;
    int& reference = creel::spawn([&target]() -> int& { return target; }).join();
    EXPECT_EQ(&reference, &target);
    const std::unique_ptr<int> made = creel::spawn([] { return std::make_unique<int>(5); }).join();
    EXPECT_EQ(*made, 5);
    auto owned = std::make_unique<int>(6);
    EXPECT_EQ(creel::spawn([owned = std::move(owned)] { return *owned; }).join(), 6);
    EXPECT_EQ(creel::spawn([] { return std::string(1000, 'x'); }).join().size(), 1000u);
  });
}

TEST_P(Spawn, JoinRethrowsWhatTheFiberThrew) {
  run([] {
    auto handle = creel::spawn([]() -> int {
      creel::yield();
      throw std::out_of_range("too far");
    });
    try {
      handle.join();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::out_of_range& error) {
      EXPECT_STREQ(error.what(), "too far");
    }
  });
}

TEST_P(Spawn, ThereIsNothingToJoinTwice) {
  run([] {
    creel::JoinHandle<int> handle = creel::spawn([] { return 1; });
    EXPECT_TRUE(handle.joinable());
    creel::JoinHandle<int> moved = std::move(handle);
    EXPECT_THROW(handle.join(), std::logic_error);  // NOLINT(bugprone-use-after-move): that is what is tested
    EXPECT_EQ(moved.join(), 1);
    EXPECT_FALSE(moved.joinable());
    EXPECT_THROW(moved.join(), std::logic_error);
    EXPECT_THROW(static_cast<void>(moved.wait_for(1ms)), std::logic_error);
    EXPECT_THROW(creel::JoinHandle<void>().join(), std::logic_error);
  });
}

TEST_P(Spawn, ADetachedFiberRunsOn) {
  run([] {
    std::atomic<int> ran{0};
    creel::spawn([&ran] { ran.fetch_add(1); }).detach();
    { auto dropped = creel::spawn([&ran] { ran.fetch_add(1); }); }
    creel::spawn([&ran]() -> int {
      ran.fetch_add(1);
      throw std::runtime_error("lost with the handle");
    }).detach();
    await([&ran] { return ran.load() == 3; });
  });
}

TEST_P(Spawn, WaitForEndsAtItsLimitOrWithTheFiber) {
  run([] {
    creel::Semaphore go(0);
    auto handle = creel::spawn([&go] {
      go.acquire();
      return 3;
    });
    const auto before = std::chrono::steady_clock::now();
    EXPECT_FALSE(handle.wait_for(5ms));
    EXPECT_GE(std::chrono::steady_clock::now() - before, 5ms);
    go.release();
    EXPECT_TRUE(handle.wait_for(1h));
    EXPECT_EQ(handle.join(), 3);
  });
}

TEST_P(Spawn, EachClosureIsDestroyedOnce) {
  run([] {
    auto counted = std::make_shared<int>(0);
    char padding[200] = {};  // the second kind does not fit into the fiber itself
    creel::WaitGroup group;
    for (int i = 0; i < 100; ++i) {
      group.go([counted] { creel::yield(); });
      group.go([counted, padding] { EXPECT_EQ(padding[7], 0); });
    }
    group.wait();
    await([&counted] { return counted.use_count() == 1; });
  });
}

TEST_P(Spawn, NamesAndIds) {
  run([] {
    EXPECT_EQ(creel::this_fiber::name(), "");
    const std::uint64_t own = creel::this_fiber::id();
    const std::uint64_t other = creel::spawn({.name = "worker"}, [] {
      EXPECT_EQ(creel::this_fiber::name(), "worker");
      creel::yield();
      EXPECT_EQ(creel::this_fiber::name(), "worker");
      return creel::this_fiber::id();
    }).join();
    EXPECT_NE(own, other);
    EXPECT_EQ(creel::this_fiber::id(), own);
    creel::spawn([] { EXPECT_EQ(creel::this_fiber::name(), ""); }).join();  // a reused fiber has lost its name
  });
}

__attribute__((noinline)) int use_stack(std::size_t bytes) {
  volatile char frame[4096];
  frame[0] = 1;
  return bytes <= sizeof(frame) ? frame[0] : use_stack(bytes - sizeof(frame)) + frame[0];
}

TEST_P(Spawn, StackSizesAreGivenAndChecked) {
  run([] {
    // Needs far more than the default.
    EXPECT_GT(creel::spawn({.stack_size = 4 << 20}, [] { return use_stack(2 << 20); }).join(), 0);
    creel::spawn({.stack_size = 16384}, [] { creel::yield(); }).join();
    creel::spawn({.stack_size = 20000}, [] { creel::yield(); }).join();  // no power of two
    for (const std::size_t bad : {std::size_t{1}, std::size_t{16383}, (std::size_t{64} << 20) + 1}) {
      try {
        creel::go({.stack_size = bad}, [] {});
        ADD_FAILURE() << bad << " was accepted";
      } catch (const std::invalid_argument& error) {
        EXPECT_NE(std::string(error.what()).find(std::to_string(bad)), std::string::npos) << error.what();
      }
    }
  });
}

// The default is what README.md tells users, and no fiber gets less but for the page its descriptor takes.
TEST_P(Spawn, TheDefaultStackIsWhatIsDocumented) {
  constexpr std::size_t kDocumented = 256u << 10;
  std::ifstream readme(CREEL_SOURCE_DIR "/README.md");
  const std::string text{std::istreambuf_iterator<char>(readme), {}};
  EXPECT_NE(text.find("default 256 KiB of address space"), std::string::npos);
  run([] {
    const auto size = [] {
      const tracer::StackBounds& bounds = *sched::current_fiber()->stack;
      return bounds.high - bounds.low;
    };
    EXPECT_GE(size(), kDocumented - 4096);
    EXPECT_GE(creel::spawn(size).join(), kDocumented - 4096);
  });
}

TEST_P(Spawn, AThrowingCopyLeavesNoFiberBehind) {
  struct Throwing {
    Throwing() = default;
    Throwing(const Throwing&) { throw std::runtime_error("copy"); }
    void operator()() {}
  };
  run([] {
    const Throwing f;
    for (int i = 0; i < 1000; ++i) EXPECT_THROW(creel::go(f), std::runtime_error);
    EXPECT_EQ(creel::spawn([] { return 1; }).join(), 1);
  });
}

TEST_P(Spawn, ATreeOfFibersEndsWithTheRightSum) {
  struct Tree {
    static long sum(int depth) {
      if (depth == 0) return 1;
      auto left = creel::spawn([depth] { return sum(depth - 1); });
      auto right = creel::spawn([depth] { return sum(depth - 1); });
      return left.join() + right.join();
    }
  };
  run([] { EXPECT_EQ(Tree::sum(11), 2048); });
}

// --- FiberLocal

TEST_P(Spawn, FiberLocalsBelongToTheirFibers) {
  run([] {
    static std::atomic<int> alive{0};
    struct Counted {
      Counted() { alive.fetch_add(1); }
      ~Counted() {
        creel::yield();  // destroyed on the fiber: it may park
        alive.fetch_sub(1);
      }
      int value = 0;
    };
    creel::FiberLocal<Counted> local;
    creel::FiberLocal<int> from_function([] { return 9; });
    creel::WaitGroup group;
    for (int i = 1; i <= 50; ++i) {
      group.go([&, i] {
        EXPECT_EQ(local->value, 0);
        local->value = i;
        EXPECT_EQ(*from_function, 9);
        *from_function += i;
        for (int k = 0; k < 5; ++k) {
          creel::yield();
          EXPECT_EQ(local->value, i);
          EXPECT_EQ(*from_function, 9 + i);
        }
      });
    }
    group.wait();
    await([] { return alive.load() == 0; });
  });
}

TEST_P(Spawn, FiberLocalsAreDestroyedInReverseOrder) {
  run([] {
    std::vector<int> order;
    struct Logs {
      std::vector<int>* order = nullptr;
      int id = 0;
      ~Logs() { order->push_back(id); }
    };
    creel::FiberLocal<Logs> a([&order] { return Logs{&order, 0}; });
    static_assert(std::is_same_v<decltype(*a), Logs&>);
    creel::FiberLocal<Logs> b([&order] { return Logs{&order, 0}; });
    std::atomic<bool> ended{false};
    creel::FiberLocal<std::unique_ptr<bool, void (*)(bool*)>> last(
        [] { return std::unique_ptr<bool, void (*)(bool*)>(nullptr, [](bool*) {}); });
    static std::atomic<bool>* flag;
    flag = &ended;
    creel::go([&] {
      static bool dummy;
      *last = {&dummy, [](bool*) { flag->store(true); }};  // the first made is the last destroyed
      a->id = 1;
      b->id = 2;
      order.clear();
    });
    await([&ended] { return ended.load(); });
    EXPECT_EQ(order, (std::vector<int>{2, 1}));
  });
}

// --- PinScope

TEST_P(Spawn, APinnedFiberStaysOnItsThread) {
  run([] {
    creel::WaitGroup group;
    std::atomic<int> others{0};
    for (int i = 0; i < 3; ++i) {
      group.go([] {
        creel::PinScope pin;
        const std::thread::id thread = std::this_thread::get_id();
        for (int k = 0; k < 20; ++k) {
          creel::yield();
          EXPECT_EQ(std::this_thread::get_id(), thread);
          if (k % 5 == 0) creel::sleep_for(1ms);
          EXPECT_EQ(std::this_thread::get_id(), thread);
          if (k % 7 == 0) creel::spawn([] {}).join();
          EXPECT_EQ(std::this_thread::get_id(), thread);
          creel::PinScope nested;
          creel::blocking([] {});
          EXPECT_EQ(std::this_thread::get_id(), thread);
        }
      });
    }
    for (int i = 0; i < 10; ++i) {
      group.go([&others] {
        for (int k = 0; k < 20; ++k) creel::yield();
        others.fetch_add(1);
      });
    }
    group.wait();
    EXPECT_EQ(others.load(), 10);
  });
}

TEST_P(Spawn, WhileAPinnedFiberIsParkedOthersRunAndNeverOnItsThread) {
  run([] {
    creel::Semaphore resume(0);
    std::atomic<bool> pinned{false};
    std::thread::id thread;
    auto handle = creel::spawn([&] {
      creel::PinScope pin;
      thread = std::this_thread::get_id();
      pinned.store(true);
      resume.acquire();
      EXPECT_EQ(std::this_thread::get_id(), thread);
    });
    await([&pinned] { return pinned.load(); });
    creel::spawn([&] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_NE(std::this_thread::get_id(), thread);
        creel::yield();
      }
    }).join();
    resume.release();
    handle.join();
  });
}

}  // namespace
}  // namespace creel::test
