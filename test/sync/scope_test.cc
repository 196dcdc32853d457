// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/scope.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

class ScopeTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(ScopeTest);

TEST_P(ScopeTest, JoinWaitsForAll) {
  run([] {
    int sum = 0;
    Mutex mutex;
    Scope scope;
    for (int i = 1; i <= 10; ++i) {
      scope.go([&, i] {
        for (int j = 0; j < i; ++j) creel::yield();
        const std::lock_guard lock(mutex);
        sum += i;
      });
    }
    scope.join();
    EXPECT_EQ(sum, 55);
    EXPECT_TRUE(scope.context().ended());
    scope.join();  // nothing
  });
}

TEST_P(ScopeTest, FibersMayStartMore) {
  run([] {
    std::atomic<int> ran{0};
    {
      Scope scope;
      scope.go([&] {
        for (int i = 0; i < 3; ++i) {
          scope.go({.name = "inner"}, [&] {
            ++ran;
            scope.go([&] { ++ran; });
          });
        }
      });
    }  // the destructor joins
    EXPECT_EQ(ran, 6);
  });
}

TEST_P(ScopeTest, TheFirstErrorEndsTheOthersAndIsRethrown) {
  run([] {
    Scope scope;
    Channel<int> never;
    int ended = 0;
    const int waiting = GetParam() == 1 ? 3 : 1;  // no more than one where they would count at once
    for (int i = 0; i < waiting; ++i) {
      Probe probe;
      scope.go([&](const Context& context) {
        probe.here();
        EXPECT_FALSE(never.recv(context));
        ++ended;
        throw std::logic_error("an answer to being cancelled");
      });
      probe.await_parked();
    }
    scope.go([] { throw std::runtime_error("first"); });
    try {
      scope.join();
      ADD_FAILURE() << "join() did not throw";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "first");
    }
    EXPECT_EQ(ended, waiting);
    EXPECT_EQ(scope.context().error(), ContextError::kCancelled);
    try {
      std::rethrow_exception(scope.context().cause());
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "first");
    }
  });
}

TEST_P(ScopeTest, ParentAndCancelEndItsContext) {
  run([] {
    auto [parent, cancel] = Context::background().with_cancel();
    for (const bool by_parent : {false, true}) {
      Scope scope(parent);
      scope.go([](const Context& context) { wait_done(context); });
      if (by_parent) {
        cancel();
      } else {
        scope.cancel();
      }
      scope.join();  // no error: nobody threw
    }
    // One made of a context that has ended runs its fibers all the same.
    bool ran = false;
    Scope scope(parent);
    scope.go([&](const Context& context) { ran = context.ended(); });
    scope.join();
    EXPECT_TRUE(ran);
  });
}

TEST_P(ScopeTest, AnExceptionOnItsWayCancelsAndJoins) {
  run([] {
    bool ended = false;
    try {
      Scope scope;
      scope.go([&](const Context& context) {
        wait_done(context);
        ended = true;
        throw std::runtime_error("dropped");
      });
      throw std::logic_error("on its way");
    } catch (const std::logic_error& error) {
      EXPECT_STREQ(error.what(), "on its way");
    }
    EXPECT_TRUE(ended);
  });
}

TEST_P(ScopeTest, TheDestructorRethrows) {
  run([] {
    const auto leave = [] {
      Scope scope;
      scope.go([] { throw std::runtime_error("from the fiber"); });
    };
    EXPECT_THROW(leave(), std::runtime_error);
    // A scope opened and left during unwinding is not confused with one that is unwound.
    struct Cleanup {
      ~Cleanup() {
        Scope scope;
        scope.go([this] { ran = true; });
        scope.join();
        EXPECT_TRUE(ran);
      }
      bool ran = false;
    };
    try {
      const Cleanup cleanup;
      throw std::logic_error("unwinds cleanup");
    } catch (const std::logic_error&) {  // NOLINT
    }
  });
}

TEST_P(ScopeTest, GoAfterJoinIsRefused) {
  run([] {
    Scope scope;
    scope.join();
    EXPECT_THROW(scope.go([] {}), std::logic_error);
  });
}

// What a fiber's function holds may refer to what the scope's owner holds.
TEST_P(ScopeTest, ClosuresAreDestroyedBeforeJoinReturns) {
  run([] {
    struct Touch {
      explicit Touch(std::atomic<int>& counter) : target(&counter) {}
      Touch(Touch&& other) noexcept : target(std::exchange(other.target, nullptr)) {}
      ~Touch() {
        if (target != nullptr) ++*target;
      }
      std::atomic<int>* target;
    };
    for (int i = 0; i < 100; ++i) {
      auto counter = std::make_unique<std::atomic<int>>(0);
      Scope scope;
      scope.go([touch = Touch(*counter)] { creel::yield(); });
      scope.go([touch = Touch(*counter), text = std::string(100, 'x')](const Context&) {});
      scope.join();
      EXPECT_EQ(*counter, 2);
      counter.reset();  // a closure that outlived join() would write to it
    }
  });
}

}  // namespace
}  // namespace creel::test
