// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Contexts: what ends with what, causes, deadlines, values, after_func(). The Go test whose behaviour a test repeats is
// named beside it (context/context_test.go, context/x_test.go).

#include "creel/sync/context.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

class ContextTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(ContextTest);

bool done_is_closed(const Context& context) {
  bool closed = false;
  select(on_done(context, [&] { closed = true; }), otherwise());
  return closed;
}

void expect_open(const Context& context) {
  EXPECT_EQ(context.error(), ContextError::kNone);
  EXPECT_FALSE(context.ended());
  EXPECT_EQ(context.cause(), nullptr);
  EXPECT_FALSE(done_is_closed(context));
  EXPECT_NO_THROW(context.throw_if_ended());
}

void expect_ended(const Context& context, ContextError error = ContextError::kCancelled) {
  EXPECT_EQ(context.error(), error);
  EXPECT_TRUE(done_is_closed(context));
  EXPECT_THROW(context.throw_if_ended(), Cancelled);
}

std::string text(const std::exception_ptr& cause) {
  if (cause == nullptr) return "none";
  try {
    std::rethrow_exception(cause);
  } catch (const std::exception& error) {
    return error.what();
  }
}

constexpr const char* kCancelledText = "creel: context cancelled";
constexpr const char* kDeadlineText = "creel: context deadline exceeded";

// Go: TestBackground, TestTODO.
TEST_P(ContextTest, BackgroundNeverEnds) {
  run([] {
    const Context context = Context::background();
    expect_open(context);
    EXPECT_EQ(context.done(), nullptr);
    EXPECT_EQ(context.deadline(), std::nullopt);
  });
}

// Go: TestWithCancel.
TEST_P(ContextTest, CancelEndsDerivedContextsOnly) {
  run([] {
    auto [parent, cancel_parent] = Context::background().with_cancel();
    auto [child, cancel_child] = parent.with_cancel();
    expect_open(parent);
    expect_open(child);
    cancel_child();
    expect_open(parent);
    expect_ended(child);
    cancel_child();  // again: nothing
    cancel_parent();
    expect_ended(parent);
    expect_ended(child);
  });
}

// Go: TestParentFinishesChild. Values lie between, as in Go's.
TEST_P(ContextTest, ParentEndsAllBelow) {
  run([] {
    struct Key {
      using Type = std::string;
    };
    auto [parent, cancel] = Context::background().with_cancel();
    auto [child, cancel_child] = parent.with_cancel();
    const Context value = parent.with_value<Key>("value");
    auto [below_value, cancel_below_value] = value.with_cancel();
    const Context timed = value.with_timeout(1h);
    std::vector<Context> all{parent, child, value, below_value, timed};
    for (const Context& context : all) expect_open(context);
    cancel();
    for (const Context& context : all) {
      expect_ended(context);
      EXPECT_EQ(text(context.cause()), kCancelledText);
    }
    // Derived from one that has ended: ended from the start. Go: TestWithCancelCanceledParent.
    auto [late, cancel_late] = value.with_cancel();
    expect_ended(late);
    expect_ended(value.with_timeout(1h));
    expect_ended(value.with_timeout(-1h));
  });
}

// Go: TestChildFinishesFirst, TestCancelRemoves (children are taken off at their end, and when the last handle goes).
TEST_P(ContextTest, ChildrenLeaveNothingBehind) {
  run([] {
    auto [parent, cancel_parent] = Context::background().with_cancel();
    for (int i = 0; i < 1000; ++i) {
      auto [child, cancel_child] = parent.with_cancel();
      if (i % 2 == 0) cancel_child();
      const Context timed = child.with_timeout(1h);
      EXPECT_EQ(timed.ended(), i % 2 == 0);
      AfterFunc stopped = after_func(parent, [] { ADD_FAILURE() << "stopped"; });
      EXPECT_TRUE(stopped.stop());
    }
    expect_open(parent);
    cancel_parent();
  });
}

// Every object counts itself: what contexts and functions hold is destroyed with the last handle.
struct Counted {
  Counted() { ++alive; }
  Counted(const Counted&) { ++alive; }
  Counted(Counted&&) noexcept { ++alive; }
  ~Counted() { --alive; }
  static inline std::atomic<int> alive{0};
};

TEST_P(ContextTest, NothingIsLeaked) {
  Counted::alive = 0;
  run([] {
    struct Key {
      using Type = Counted;
    };
    {
      auto [parent, cancel] = Context::background().with_cancel();
      const Context value = parent.with_value<Key>(Counted());
      const Context timed = value.with_timeout(1h);
      after_func(timed, [counted = Counted()] { ADD_FAILURE() << "its context is gone"; });
      EXPECT_EQ(Counted::alive, 2);
    }
    EXPECT_EQ(Counted::alive, 0);
    auto [parent, cancel] = Context::background().with_cancel();
    WaitGroup wg;
    wg.add(1);
    after_func(parent.with_value<Key>(Counted()), [&wg, counted = Counted()] { wg.done(); });
    EXPECT_EQ(Counted::alive, 1);  // a context of values only is nobody's to end
    cancel();
    wg.wait();
    await([] { return Counted::alive == 0; });  // the fiber is about to end
  });
}

// Go: TestDeadline, TestTimeout, TestDeadlineExceededSupportsTimeout.
TEST_P(ContextTest, DeadlineEndsIt) {
  run([] {
    const auto begin = std::chrono::steady_clock::now();
    const Context context = Context::background().with_timeout(2ms);
    ASSERT_TRUE(context.deadline().has_value());
    EXPECT_GE(*context.deadline(), begin + 2ms);
    wait_done(context);
    EXPECT_GE(std::chrono::steady_clock::now(), begin + 2ms);
    expect_ended(context, ContextError::kDeadlineExceeded);
    EXPECT_THROW(context.throw_if_ended(), DeadlineExceeded);
    EXPECT_EQ(text(context.cause()), kDeadlineText);
    expect_ended(Context::background().with_deadline(begin), ContextError::kDeadlineExceeded);
    expect_ended(Context::background().with_timeout(0s), ContextError::kDeadlineExceeded);
  });
}

// Go: TestLayersTimeout, and the earlier of two deadlines.
TEST_P(ContextTest, TheEarlierDeadlineCounts) {
  run([] {
    const Context outer = Context::background().with_timeout(1ms);
    const Context inner = outer.with_timeout(1h);
    EXPECT_EQ(inner.deadline(), outer.deadline());
    wait_done(inner);
    expect_ended(inner, ContextError::kDeadlineExceeded);
    expect_ended(outer, ContextError::kDeadlineExceeded);

    const Context wide = Context::background().with_timeout(1h);
    const Context narrow = wide.with_timeout(1ms);
    EXPECT_LT(narrow.deadline(), wide.deadline());
    wait_done(narrow);
    expect_open(wide);
  });
}

// Go: TestCanceledTimeout.
TEST_P(ContextTest, CancelBeforeTheDeadline) {
  run([] {
    auto [base, cancel] = Context::background().with_cancel();
    const Context context = base.with_timeout(1h);
    expect_open(context);
    cancel();
    expect_ended(context);
  });
}

// A context that still has a timer would keep this from being seen as a deadlock.
TEST(ContextDeathTest, AnEndedContextHoldsNoTimer) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_with(1,
                       [] {
                         auto [base, cancel] = Context::background().with_cancel();
                         const Context context = base.with_timeout(1h);
                         cancel();
                         Channel<int> never;
                         never.recv();
                       }),
              ::testing::ExitedWithCode(2), "deadlock");
}

// Go: TestValues, TestWithValueChecksKey (by types here).
TEST_P(ContextTest, Values) {
  run([] {
    struct First {
      using Type = std::string;
    };
    struct Second {
      using Type = std::string;
    };
    struct Third {
      using Type = std::unique_ptr<int>;
    };
    const Context empty;
    EXPECT_EQ(empty.value<First>(), nullptr);
    const Context one = empty.with_value<First>("one");
    EXPECT_EQ(*one.value<First>(), "one");
    EXPECT_EQ(one.value<Second>(), nullptr);
    auto [two, cancel] = one.with_value<Second>(std::string("two")).with_cancel();
    EXPECT_EQ(*two.value<First>(), "one");
    EXPECT_EQ(*two.value<Second>(), "two");
    const Context three = two.with_value<First>("again").with_value<Third>(std::make_unique<int>(3));
    EXPECT_EQ(*three.value<First>(), "again");
    EXPECT_EQ(*three.value<Second>(), "two");
    EXPECT_EQ(**three.value<Third>(), 3);
    EXPECT_EQ(*two.value<First>(), "one");
    cancel();
    EXPECT_EQ(*three.value<First>(), "again");
  });
}

// Go: TestCause.
TEST_P(ContextTest, Causes) {
  run([] {
    const std::runtime_error parent_cause("parent");
    const std::runtime_error child_cause("child");
    {
      auto [context, cancel] = Context::background().with_cancel();
      cancel();
      EXPECT_EQ(text(context.cause()), kCancelledText);
      cancel(parent_cause);  // too late
      EXPECT_EQ(text(context.cause()), kCancelledText);
    }
    {
      auto [parent, cancel_parent] = Context::background().with_cancel();
      auto [child, cancel_child] = parent.with_cancel();
      cancel_parent(parent_cause);
      cancel_child(child_cause);
      EXPECT_EQ(text(parent.cause()), "parent");
      EXPECT_EQ(text(child.cause()), "parent");
      expect_ended(child);  // the error is the same whatever the cause
    }
    {
      auto [parent, cancel_parent] = Context::background().with_cancel();
      auto [child, cancel_child] = parent.with_cancel();
      cancel_child(child_cause);
      cancel_parent(parent_cause);
      EXPECT_EQ(text(parent.cause()), "parent");
      EXPECT_EQ(text(child.cause()), "child");
    }
    {
      const auto too_slow = std::make_exception_ptr(std::runtime_error("too slow"));
      const Context context = Context::background().with_timeout(1ms, too_slow);
      const Context child = context.with_timeout(1h);
      wait_done(child);
      EXPECT_EQ(text(context.cause()), "too slow");
      EXPECT_EQ(text(child.cause()), "too slow");
      expect_ended(child, ContextError::kDeadlineExceeded);
      EXPECT_EQ(text(Context::background().with_timeout(-1s, too_slow).cause()), "too slow");
      // Cancelled before: the deadline's cause is not used.
      auto [base, cancel] = Context::background().with_cancel();
      const Context timed = base.with_timeout(1h, too_slow);
      cancel(parent_cause);
      EXPECT_EQ(text(timed.cause()), "parent");
    }
  });
}

// Go: TestCauseRace, TestContextErrDoneRace.
TEST_P(ContextTest, WhoSeesTheErrorSeesTheRest) {
  run([] {
    for (int i = 0; i < 20; ++i) {
      auto [context, cancel] = Context::background().with_cancel();
      WaitGroup wg;
      wg.go([source = cancel] { source(std::runtime_error("cause")); });
      while (!context.ended()) creel::yield();
      EXPECT_TRUE(done_is_closed(context));
      EXPECT_EQ(text(context.cause()), "cause");
      wg.wait();
    }
  });
}

// Go: TestWithoutCancel.
TEST_P(ContextTest, WithoutCancelKeepsTheValues) {
  run([] {
    struct Key {
      using Type = int;
    };
    auto [parent, cancel] = Context::background().with_value<Key>(5).with_cancel();
    const Context detached = parent.with_timeout(1h).without_cancel();
    cancel();
    expect_open(detached);
    EXPECT_EQ(detached.done(), nullptr);
    EXPECT_EQ(detached.deadline(), std::nullopt);
    EXPECT_EQ(*detached.value<Key>(), 5);
    const Context timed = detached.with_timeout(1ms);
    wait_done(timed);
    expect_ended(timed, ContextError::kDeadlineExceeded);
  });
}

// Go: TestSimultaneousCancels.
TEST_P(ContextTest, ManyCancelAtOnce) {
  run([] {
    auto [root, cancel_root] = Context::background().with_cancel();
    std::vector<std::pair<Context, CancelSource>> tree{{root, cancel_root}};
    for (std::size_t i = 0; tree.size() < 100; ++i) {
      const Context parent = tree[i].first;
      tree.push_back(parent.with_cancel());
      tree.push_back(parent.with_cancel());
    }
    WaitGroup wg;
    for (auto& [context, cancel] : tree) wg.go([source = cancel] { source(); });
    for (auto& [context, cancel] : tree) {
      wait_done(context);
      expect_ended(context);
    }
    wg.wait();
  });
}

// Go: TestInterlockedCancels.
TEST_P(ContextTest, CancelFromAWaiterOfTheContext) {
  run([] {
    auto [parent, cancel_parent] = Context::background().with_cancel();
    auto [child, cancel_child] = parent.with_cancel();
    WaitGroup wg;
    wg.go([above = parent, source = cancel_child] {
      wait_done(above);
      source();
    });
    cancel_parent();
    wait_done(child);
    wg.wait();
  });
}

// Go: TestLayersCancel: a pile of contexts of all kinds, its middle cancelled.
TEST_P(ContextTest, LayersEndFromTheCancelledOneDown) {
  run([] {
    struct Key {
      using Type = int;
    };
    for (unsigned seed = 0; seed < 10; ++seed) {
      std::minstd_rand random(seed);
      std::vector<Context> layers{Context::background()};
      std::vector<std::pair<std::size_t, CancelSource>> sources;
      for (int i = 0; i < 200; ++i) {
        const Context& top = layers.back();
        switch (random() % 3) {
          case 0: {
            auto [context, cancel] = top.with_cancel();
            sources.emplace_back(layers.size(), cancel);
            layers.push_back(context);
            break;
          }
          case 1:
            layers.push_back(top.with_timeout(1h));
            break;
          default:
            layers.push_back(top.with_value<Key>(i));
        }
      }
      const auto& [place, cancel] = sources[sources.size() / 2];
      cancel();
      for (std::size_t i = 0; i < layers.size(); ++i) {
        if (layers[i].done() == nullptr) continue;
        // A value context ends with the one above it, and only that.
        if (i >= place) expect_ended(layers[i]);
        if (i + 1 == place) {
          EXPECT_FALSE(layers[i].ended());
        }
      }
    }
  });
}

// Deeper than any stack: neither ending nor destroying recurses.
TEST_P(ContextTest, DeepChain) {
  run([] {
    auto [root, cancel] = Context::background().with_cancel();
    Context leaf = root;
    for (int i = 0; i < 20000; ++i) leaf = leaf.with_cancel().first;
    cancel();
    expect_ended(leaf);
  });
}

// Go: TestWithCancelSimultaneouslyCanceledParent.
TEST_P(ContextTest, DerivedWhileTheParentEnds) {
  run([] {
    for (int i = 0; i < 100; ++i) {
      auto [parent, cancel] = Context::background().with_cancel();
      WaitGroup wg;
      wg.go([source = cancel] { source(); });
      const Context child = parent.with_timeout(1h);
      wait_done(child);
      expect_ended(child);
      wg.wait();
    }
  });
}

// A child, a wait and an after_func that leave while the parent ends and fires them.
TEST_P(ContextTest, LeavingWhileTheParentEnds) {
  run([] {
    for (int i = 0; i < 200; ++i) {
      auto [parent, cancel] = Context::background().with_cancel();
      WaitGroup wg;
      std::atomic<int> ran{0};
      int stopped = 0;
      wg.go([above = parent] {
        for (int j = 0; j < 10; ++j) (void)above.with_cancel();
      });
      wg.go([above = parent] {
        Channel<int> never;
        while (!above.ended()) EXPECT_FALSE(never.recv(above).has_value());
      });
      wg.go([above = parent, &ran, &stopped] {
        std::vector<AfterFunc> functions;
        for (int j = 0; j < 10; ++j) functions.push_back(after_func(above, [&ran] { ++ran; }));
        for (AfterFunc& function : functions) stopped += function.stop() ? 1 : 0;
      });
      cancel();
      wg.wait();
      await([&] { return ran + stopped == 10; });
    }
  });
}

// Go: TestAfterFuncCalledAfterCancel, TestAfterFuncCalledAsynchronously.
TEST_P(ContextTest, AfterFuncRunsAfterCancel) {
  run([] {
    auto [context, cancel] = Context::background().with_cancel();
    Channel<void> ran;
    AfterFunc function = after_func(context, [&ran] { ran.send(); });  // blocks until it is received
    EXPECT_FALSE(ran.try_recv());
    cancel();  // does not wait for it
    EXPECT_TRUE(ran.recv());
    EXPECT_FALSE(function.stop());
  });
}

// Go: TestAfterFuncCalledAfterTimeout.
TEST_P(ContextTest, AfterFuncRunsAfterTheDeadline) {
  run([] {
    const Context context = Context::background().with_timeout(1ms);
    Channel<void> ran;
    after_func(context, [&ran] { ran.close(); });
    EXPECT_FALSE(ran.recv());
  });
}

// Go: TestAfterFuncCalledImmediately.
TEST_P(ContextTest, AfterFuncOfAnEndedContextRunsAtOnce) {
  run([] {
    auto [context, cancel] = Context::background().with_cancel();
    cancel();
    Channel<void> ran;
    AfterFunc function = after_func(context, [&ran] { ran.close(); });
    EXPECT_FALSE(ran.recv());
    EXPECT_FALSE(function.stop());
  });
}

// Go: TestAfterFuncNotCalledAfterStop.
TEST_P(ContextTest, AfterFuncStopped) {
  run([] {
    auto [context, cancel] = Context::background().with_cancel();
    AfterFunc function = after_func(context, [] { ADD_FAILURE() << "stopped"; });
    EXPECT_TRUE(function.stop());
    cancel();
    EXPECT_FALSE(function.stop());
    AfterFunc never = after_func(Context::background(), [] { ADD_FAILURE() << "never ends"; });
    EXPECT_TRUE(never.stop());
    EXPECT_FALSE(never.stop());
    for (int i = 0; i < 100; ++i) creel::yield();
  });
}

TEST_P(ContextTest, SelectOnDone) {
  run([] {
    auto [context, cancel] = Context::background().with_cancel();
    Channel<int> channel;
    WaitGroup wg;
    std::size_t chosen = 9;
    go_until_parked(wg, [&, given = context] { chosen = select(on_recv(channel), on_done(given)); });
    cancel();
    wg.wait();
    EXPECT_EQ(chosen, 1u);
    EXPECT_EQ(select(on_done(Context::background()), otherwise()), 1u);
  });
}

TEST_P(ContextTest, HandlesAreCopiedAndMoved) {
  run([] {
    auto [context, cancel] = Context::background().with_cancel();
    Context copy = context;
    Context moved = std::move(copy);
    copy = moved;
    Context& self = copy;
    copy = self;
    moved = Context();
    cancel();
    expect_ended(copy);
    expect_open(moved);
  });
}

}  // namespace
}  // namespace creel::test
