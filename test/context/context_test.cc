// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/context.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "test/context/fixture.h"

namespace creel::sched::test {
namespace {

constexpr std::size_t kSize = 256 << 10;

TEST(Context, PassesDataBothWays) {
  StackPool pool(kSize);
  std::error_code error;
  Stack* const stack = pool.allocate(0, error);
  ASSERT_NE(stack, nullptr);
  static Context main;
  static Context fiber;
  static std::vector<int> seen;
  seen.clear();
  main.adopt_thread();
  fiber.prepare(*stack, [](void* data) {
    for (;;) {
      annotate_happens_after(&fiber);
      seen.push_back(*static_cast<int*>(data));
      ++*static_cast<int*>(data);
      annotate_happens_before(&fiber);
      data = switch_context(fiber, main, data);
    }
  });
  int value = 7;
  annotate_happens_before(&fiber);
  EXPECT_EQ(switch_context(main, fiber, &value), &value);
  EXPECT_EQ(switch_context(main, fiber, &value), &value);
  annotate_happens_after(&fiber);
  EXPECT_EQ(seen, (std::vector<int>{7, 8}));
  EXPECT_EQ(value, 9);
  main.release_thread();
  pool.release(stack);
}

TEST(Context, SwitchesDirectlyBetweenFibers) {
  StackPool pool(kSize);
  static Context main;
  static Context fibers[3];
  static std::string order;
  order.clear();
  main.adopt_thread();
  Stack* stacks[3];
  std::error_code error;
  for (Stack*& stack : stacks) ASSERT_NE(stack = pool.allocate(0, error), nullptr);
  static const auto append = [](char letter) {
    annotate_happens_after(&order);
    order += letter;
    annotate_happens_before(&order);
  };
  fibers[0].prepare(*stacks[0], [](void*) {
    append('a');
    switch_context(fibers[0], fibers[1], nullptr);
    append('d');
    exit_context(fibers[0], main, nullptr);
  });
  fibers[1].prepare(*stacks[1], [](void*) {
    append('b');
    exit_context(fibers[1], fibers[2], nullptr);
  });
  fibers[2].prepare(*stacks[2], [](void*) {
    append('c');
    exit_context(fibers[2], fibers[0], nullptr);
  });
  annotate_happens_before(&order);
  switch_context(main, fibers[0], nullptr);
  annotate_happens_after(&order);
  EXPECT_EQ(order, "abcd");
  main.release_thread();
  for (Stack* stack : stacks) pool.release(stack);
}

TEST(Context, MigratesBetweenThreads) {
  StackPool pool(kSize);
  std::vector<std::thread::id> threads;
  Coroutine coroutine(pool, [&](Coroutine& self) {
    for (int i = 0; i < 100; ++i) {
      // A call the compiler cannot merge with the one before the switch.
      threads.push_back([]() __attribute__((noinline)) { return std::this_thread::get_id(); }());
      self.suspend();
    }
  });
  EXPECT_EQ(run_migrating(coroutine), 101);
  ASSERT_EQ(threads.size(), 100u);
}

TEST(Context, KeepsRoundingModePerContext) {
  StackPool pool(kSize);
  ThreadContext thread;
  int inside = -1;
  Coroutine coroutine(pool, [&](Coroutine& self) {
    std::fesetround(FE_UPWARD);
    volatile double x = 1.0;
    x = x / 3.0;  // sets the inexact flag on this side only
    self.suspend();
    inside = std::fegetround();
    std::fesetround(FE_TONEAREST);
  });
  coroutine.resume(thread);
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  EXPECT_FALSE(coroutine.resume(thread));
  EXPECT_EQ(inside, FE_UPWARD);
}

// Follows saved frame pointers as the tracer does; returns the number of frames, or -1 if the chain leaves the stack.
__attribute__((noinline, no_sanitize("address", "thread"))) int count_frames(const tracer::StackBounds& bounds) {
  auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  int count = 0;
  for (; frame != 0; ++count) {
    if (frame < bounds.low || frame + 16 > bounds.high) return -1;
    const auto* words = reinterpret_cast<const std::uintptr_t*>(frame);
    if (words[0] != 0 && words[0] <= frame) return -1;
    frame = words[0];
  }
  return count;
}

TEST(Context, FramePointerChainEndsInNull) {
  StackPool pool(kSize);
  ThreadContext thread;
  int frames = 0;
  int frames_after = 0;
  Coroutine coroutine(pool, [&](Coroutine& self) {
    frames = count_frames(self.stack().bounds);
    self.suspend();
    frames_after = count_frames(self.stack().bounds);
  });
  run_to_end(coroutine, thread);
  EXPECT_GE(frames, 3);  // count_frames, the body, the entry
  EXPECT_LE(frames, 16);
  EXPECT_EQ(frames_after, frames);
}

TEST(Context, StackIsAlignedAtEntry) {
  StackPool pool(kSize);
  ThreadContext thread;
  bool aligned = false;
  Coroutine coroutine(pool, [&](Coroutine&) {
    alignas(16) volatile char buffer[16] = {};
    const volatile void* address = buffer;
    aligned = reinterpret_cast<std::uintptr_t>(address) % 16 == 0 &&
              reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) % 16 == 0;
  });
  run_to_end(coroutine, thread);
  EXPECT_TRUE(aligned);
}

// Exception state. Each test suspends where the C++ runtime keeps per-thread state, and runs both on one thread with
// another flow's exceptions in between, and migrating at every resume.

// Throws and catches once, as another flow on the same thread would while a coroutine is suspended.
void disturb() {
  try {
    throw std::runtime_error("disturb");
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "disturb");
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  }
  EXPECT_EQ(std::current_exception(), nullptr);
}

void run_both_ways(StackPool& pool, const std::function<void(Coroutine&)>& body) {
  {
    ThreadContext thread;
    Coroutine coroutine(pool, body);
    while (coroutine.resume(thread)) disturb();
    disturb();
  }
  Coroutine coroutine(pool, body);
  run_migrating(coroutine);
  disturb();
}

TEST(ContextExceptions, SuspendInsideCatch) {
  StackPool pool(kSize);
  int ended = 0;
  run_both_ways(pool, [&](Coroutine& self) {
    try {
      throw std::runtime_error("mine");
    } catch (const std::runtime_error& error) {
      for (int i = 0; i < 10; ++i) self.suspend();
      EXPECT_STREQ(error.what(), "mine");
      EXPECT_NE(std::current_exception(), nullptr);
    }
    EXPECT_EQ(std::current_exception(), nullptr);
    ++ended;
  });
  EXPECT_EQ(ended, 2);
}

TEST(ContextExceptions, RethrowAfterSuspend) {
  StackPool pool(kSize);
  int caught = 0;
  run_both_ways(pool, [&](Coroutine& self) {
    try {
      try {
        self.suspend();
        throw std::runtime_error("outer");
      } catch (...) {
        self.suspend();
        throw;
      }
    } catch (const std::runtime_error& error) {
      self.suspend();
      EXPECT_STREQ(error.what(), "outer");
      ++caught;
    }
  });
  EXPECT_EQ(caught, 2);
}

TEST(ContextExceptions, NestedExceptionsKeepTheirOrder) {
  StackPool pool(kSize);
  int ended = 0;
  const auto message = [] {
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
  };
  run_both_ways(pool, [&](Coroutine& self) {
    try {
      throw std::runtime_error("first");
    } catch (...) {
      self.suspend();
      try {
        throw std::logic_error("second");
      } catch (...) {
        self.suspend();
        EXPECT_EQ(message(), "second");
      }
      self.suspend();
      EXPECT_EQ(message(), "first");
      ++ended;
    }
  });
  EXPECT_EQ(ended, 2);
}

struct SuspendsInDestructor {
  Coroutine& coroutine;
  std::vector<int>& counts;
  ~SuspendsInDestructor() {
    counts.push_back(std::uncaught_exceptions());
    coroutine.suspend();
    counts.push_back(std::uncaught_exceptions());
    try {
      throw std::logic_error("during unwinding");
    } catch (const std::logic_error&) {
      coroutine.suspend();
      counts.push_back(std::uncaught_exceptions());
    }
    coroutine.suspend();
    counts.push_back(std::uncaught_exceptions());
  }
};

TEST(ContextExceptions, SuspendInDestructorDuringUnwinding) {
  StackPool pool(kSize);
  std::vector<int> counts;
  int caught = 0;
  run_both_ways(pool, [&](Coroutine& self) {
    try {
      const SuspendsInDestructor object{self, counts};
      throw std::runtime_error("unwinds");
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "unwinds");
      EXPECT_EQ(std::uncaught_exceptions(), 0);
      ++caught;
    }
  });
  EXPECT_EQ(caught, 2);
  EXPECT_EQ(counts, std::vector<int>(8, 1));
}

TEST(ContextExceptions, FreshContextStartsWithoutExceptions) {
  StackPool pool(kSize);
  ThreadContext thread;
  int uncaught = -1;
  bool has_current = true;
  try {
    throw std::runtime_error("of the thread");
  } catch (...) {
    Coroutine coroutine(pool, [&](Coroutine&) {
      uncaught = std::uncaught_exceptions();
      has_current = std::current_exception() != nullptr;
    });
    run_to_end(coroutine, thread);
    EXPECT_NE(std::current_exception(), nullptr);
  }
  EXPECT_EQ(uncaught, 0);
  EXPECT_FALSE(has_current);
}

TEST(ContextExceptions, ManyCoroutinesInterleaved) {
  StackPool pool(kSize);
  ThreadContext thread;
  std::vector<std::unique_ptr<Coroutine>> coroutines;
  int right = 0;
  for (int i = 0; i < 50; ++i) {
    coroutines.push_back(std::make_unique<Coroutine>(pool, [&right, i](Coroutine& self) {
      for (int round = 0; round < 5; ++round) {
        try {
          throw i * 100 + round;
        } catch (int value) {
          self.suspend();
          if (value == i * 100 + round) ++right;
        }
      }
    }));
  }
  for (bool alive = true; alive;) {
    alive = false;
    for (auto& coroutine : coroutines) {
      if (coroutine == nullptr) continue;
      if (coroutine->resume(thread)) {
        alive = true;
      } else {
        coroutine.reset();
      }
    }
  }
  EXPECT_EQ(right, 250);
}

TEST(ContextDeathTest, ExceptionLeavingTheEntryTerminates) {
  EXPECT_DEATH(
      {
        StackPool pool(kSize);
        ThreadContext thread;
        Coroutine coroutine(pool, [](Coroutine&) { throw std::runtime_error("leaves the fiber"); });
        coroutine.resume(thread);
      },
      "leaves the fiber");
}

TEST(ContextDeathTest, TerminatesWithTheThrowingStackIntact) {
  struct Unwound {
    ~Unwound() { std::fputs("unwound\n", stderr); }
  };
  EXPECT_EXIT(
      {
        StackPool pool(kSize);
        ThreadContext thread;
        std::set_terminate([] {
          std::fputs("terminate first\n", stderr);
          std::_Exit(3);
        });
        Coroutine coroutine(pool, [](Coroutine&) {
          const Unwound local;
          throw std::runtime_error("leaves the fiber");
        });
        coroutine.resume(thread);
      },
      ::testing::ExitedWithCode(3), "^terminate first");
}

}  // namespace
}  // namespace creel::sched::test
