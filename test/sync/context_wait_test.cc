// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Every call that parks, in its form with a context: it ends when the context does, by cancel() and by a deadline, and
// leaves what it waited for as if it had not come; else it does what the form without a context does.

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

class ContextWaitTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(ContextWaitTest);

// `wait(context)` must block and return whether it succeeded. Ends it in each of the ways a context can end: while the
// fiber is parked, by its own and its parent's end; by a deadline; and before the call.
template <typename F>
void expect_ends_with_context(F wait) {
  for (const bool by_parent : {false, true}) {
    auto [parent, cancel_parent] = Context::background().with_cancel();
    auto [context, cancel_context] = parent.with_cancel();
    WaitGroup wg;
    bool succeeded = true;
    go_until_parked(wg, [&, given = context] { succeeded = wait(given); });
    (by_parent ? cancel_parent : cancel_context)();
    wg.wait();
    EXPECT_FALSE(succeeded);
    EXPECT_FALSE(wait(context)) << "a context that has ended";
  }
  EXPECT_FALSE(wait(Context::background().with_timeout(1ms)));
}

// `wait(context)` must block until `release()` is called, from another fiber. Null contexts wait as well.
template <typename F, typename G>
void expect_succeeds(F wait, G release) {
  auto [open, cancel] = Context::background().with_cancel();
  for (const Context& context : {Context::background(), open, open.with_timeout(1h)}) {
    WaitGroup wg;
    bool succeeded = false;
    go_until_parked(wg, [&] { succeeded = wait(context); });
    release();
    wg.wait();
    EXPECT_TRUE(succeeded);
  }
}

TEST_P(ContextWaitTest, ChannelRecv) {
  run([] {
    Channel<std::string> channel;
    const auto wait = [&](const Context& context) { return channel.recv(context).has_value(); };
    expect_ends_with_context(wait);
    EXPECT_FALSE(channel.try_send("nobody waits"));
    expect_succeeds(wait, [&] { channel.send("text"); });
    // A value that is there wins over a context that has ended.
    auto [ended, cancel] = Context::background().with_cancel();
    cancel();
    Channel<int> full(1);
    full.send(1);
    EXPECT_EQ(full.recv(ended).value_or(0), 1);
    EXPECT_FALSE(full.recv(ended).closed());
    full.close();
    EXPECT_TRUE(full.recv(ended).closed());
    Channel<void> signals;
    expect_ends_with_context([&](const Context& context) { return signals.recv(context).has_value(); });
  });
}

TEST_P(ContextWaitTest, ChannelSend) {
  run([] {
    Channel<std::string> channel;
    std::string text = "a text that does not fit into the string itself";
    const std::string copy = text;
    const auto wait = [&](const Context& context) { return channel.send(copy, context); };
    expect_ends_with_context(wait);
    EXPECT_FALSE(channel.try_recv());
    expect_succeeds(wait, [&] { EXPECT_EQ(channel.recv(), copy); });
    auto [ended, cancel] = Context::background().with_cancel();
    cancel();
    EXPECT_FALSE(channel.send(std::move(text), ended));
    EXPECT_EQ(text, copy);  // given back
    channel.close();
    EXPECT_THROW((void)channel.send("text", ended), ChannelClosed);
    Channel<void> signals;
    expect_ends_with_context([&](const Context& context) { return signals.send(context); });
  });
}

TEST_P(ContextWaitTest, MutexLock) {
  run([] {
    Mutex mutex;
    mutex.lock();
    expect_ends_with_context([&](const Context& context) { return mutex.lock(context); });
    mutex.unlock();
    EXPECT_TRUE(mutex.try_lock());
    expect_succeeds([&](const Context& context) { return mutex.lock(context); }, [&] { mutex.unlock(); });
    mutex.unlock();
  });
}

TEST_P(ContextWaitTest, RWMutexLock) {
  run([] {
    RWMutex mutex;
    mutex.lock_shared();
    expect_ends_with_context([&](const Context& context) { return mutex.lock(context); });
    EXPECT_TRUE(mutex.try_lock_shared());  // a writer that gave up keeps nobody out
    mutex.unlock_shared();
    mutex.unlock_shared();
    mutex.lock();
    expect_ends_with_context([&](const Context& context) { return mutex.lock_shared(context); });
    mutex.unlock();
    mutex.lock_shared();
    expect_succeeds(
        [&](const Context& context) {
          const bool locked = mutex.lock(context);
          if (locked) mutex.unlock();
          mutex.lock_shared();
          return locked;
        },
        [&] { mutex.unlock_shared(); });
    mutex.unlock_shared();
  });
}

// Readers behind a writer go in when its context ends.
TEST_P(ContextWaitTest, RWMutexWriterThatGivesUpAdmitsReaders) {
  run([] {
    RWMutex mutex;
    mutex.lock_shared();
    auto [context, cancel] = Context::background().with_cancel();
    WaitGroup wg;
    go_until_parked(wg, [&, given = context] { EXPECT_FALSE(mutex.lock(given)); });
    go_until_parked(wg, [&] {
      mutex.lock_shared();
      mutex.unlock_shared();
    });
    cancel();
    wg.wait();
    mutex.unlock_shared();
  });
}

TEST_P(ContextWaitTest, CondVarWait) {
  run([] {
    Mutex mutex;
    CondVar cond;
    bool ready = false;
    const auto wait = [&](const Context& context) {
      std::unique_lock lock(mutex);
      const bool notified = cond.wait(lock, context);
      EXPECT_TRUE(lock.owns_lock());
      EXPECT_FALSE(mutex.try_lock());
      return notified;
    };
    expect_ends_with_context(wait);
    const auto wait_ready = [&](const Context& context) {
      std::unique_lock lock(mutex);
      const bool result = cond.wait(lock, context, [&] { return ready; });
      ready = false;
      return result;
    };
    expect_ends_with_context(wait_ready);
    expect_succeeds(wait, [&] { cond.notify_one(); });
    expect_succeeds(wait_ready, [&] {
      const std::lock_guard lock(mutex);
      ready = true;
      cond.notify_all();
    });
  });
}

TEST_P(ContextWaitTest, WaitGroupWait) {
  run([] {
    WaitGroup group;
    group.add(1);
    const auto wait = [&](const Context& context) { return group.wait(context); };
    expect_ends_with_context(wait);
    group.done();
    auto [ended, cancel] = Context::background().with_cancel();
    cancel();
    EXPECT_TRUE(group.wait(ended));
    for (const Context& context : {Context::background(), Context::background().with_timeout(1h)}) {
      group.add(1);
      WaitGroup wg;
      go_until_parked(wg, [&] { EXPECT_TRUE(group.wait(context)); });
      group.done();
      wg.wait();
    }
  });
}

TEST_P(ContextWaitTest, SemaphoreAcquire) {
  run([] {
    Semaphore semaphore(1);
    expect_ends_with_context([&](const Context& context) { return semaphore.acquire(context, 2); });
    EXPECT_EQ(semaphore.available(), 1);
    // One that asks for less is served when the one before it gives up.
    auto [context, cancel] = Context::background().with_cancel();
    WaitGroup wg;
    go_until_parked(wg, [&, given = context] { EXPECT_FALSE(semaphore.acquire(given, 2)); });
    go_until_parked(wg, [&] { semaphore.acquire(); });
    cancel();
    wg.wait();
    EXPECT_EQ(semaphore.available(), 0);
    expect_succeeds([&](const Context& open) { return semaphore.acquire(open); }, [&] { semaphore.release(); });
  });
}

TEST_P(ContextWaitTest, BarrierArriveAndWait) {
  run([] {
    Barrier barrier(2);
    expect_ends_with_context([&](const Context& context) { return barrier.arrive_and_wait(context).has_value(); });
    // The arrivals were taken back: a phase still needs two.
    expect_succeeds(
        [&](const Context& context) {
          const std::optional<bool> last = barrier.arrive_and_wait(context);
          EXPECT_EQ(last, false);
          return last.has_value();
        },
        [&] { EXPECT_TRUE(barrier.arrive_and_wait()); });
    auto [ended, cancel] = Context::background().with_cancel();
    cancel();
    WaitGroup wg;
    go_until_parked(wg, [&] { barrier.arrive_and_wait(); });
    EXPECT_EQ(barrier.arrive_and_wait(ended), true);  // the last to arrive does not wait
    wg.wait();
  });
}

TEST_P(ContextWaitTest, OnceCall) {
  run([] {
    Once once;
    Channel<void> finish;
    WaitGroup wg;
    go_until_parked(wg, [&] { once.call([&] { finish.recv(); }); });
    expect_ends_with_context([&](const Context& context) {
      return once.call(context, [] { ADD_FAILURE() << "another fiber runs it"; });
    });
    finish.send();
    wg.wait();
    auto [ended, cancel] = Context::background().with_cancel();
    cancel();
    EXPECT_TRUE(once.call(ended, [] { ADD_FAILURE() << "done already"; }));
    Once fresh;
    int calls = 0;
    EXPECT_TRUE(fresh.call(ended, [&] { ++calls; }));  // nothing to wait for
    EXPECT_EQ(calls, 1);
  });
}

TEST_P(ContextWaitTest, Sleep) {
  run([] {
    expect_ends_with_context([](const Context& context) { return sleep_for(context, 1h); });
    auto [open, cancel] = Context::background().with_cancel();
    for (const Context& context : {Context::background(), open}) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_TRUE(sleep_for(context, 2ms));
      EXPECT_GE(std::chrono::steady_clock::now(), begin + 2ms);
      EXPECT_TRUE(sleep_until(context, begin));
    }
    cancel();
    EXPECT_TRUE(sleep_for(open, 0s));
    EXPECT_FALSE(sleep_for(open, std::chrono::steady_clock::duration::max()));
  });
}

TEST_P(ContextWaitTest, Join) {
  run([] {
    Channel<int> values;
    JoinHandle<int> handle = spawn([&] { return *values.recv(); });
    expect_ends_with_context([&](const Context& context) { return handle.wait(context); });
    auto [ended, cancel] = Context::background().with_cancel();
    cancel();
    EXPECT_THROW(handle.join(ended), Cancelled);
    EXPECT_THROW(handle.join(Context::background().with_timeout(1ms)), DeadlineExceeded);
    EXPECT_TRUE(handle.joinable());
    values.send(42);
    EXPECT_EQ(handle.join(Context::background().with_timeout(1h)), 42);
  });
}

TEST_P(ContextWaitTest, WaitDone) {
  run([] {
    auto [context, cancel] = Context::background().with_cancel();
    WaitGroup wg;
    for (int i = 0; i < 3; ++i) go_until_parked(wg, [given = context] { wait_done(given); });
    cancel();
    wg.wait();
  });
}

// A waker, a canceller and a deadline compete for one wait, over and over: exactly one of them decides, no value is lost
// or doubled, and nothing of a wait is left behind.
TEST_P(ContextWaitTest, WakerCancellerAndDeadlineCompete) {
  run([] {
    Channel<int> channel;
    Semaphore semaphore(0);
    int received = 0;
    int acquired = 0;
    constexpr int kTurns = 300;
    for (int i = 0; i < kTurns; ++i) {
      auto [base, cancel] = Context::background().with_cancel();
      const Context context = base.with_timeout(std::chrono::microseconds(i % 50));
      WaitGroup wg;
      wg.go([&, context] { received += channel.recv(context).has_value() ? 1 : 0; });
      wg.go([&, context] { acquired += semaphore.acquire(context) ? 1 : 0; });
      wg.go([source = cancel] { source(); });
      bool sent = false;
      wg.go([&, context] { sent = channel.send(1, context); });
      semaphore.release();
      wg.wait();
      if (sent) --received;
    }
    EXPECT_EQ(received, 0);
    EXPECT_EQ(acquired + semaphore.available(), kTurns);
    EXPECT_FALSE(channel.try_send(1));
    EXPECT_FALSE(channel.try_recv());
  });
}

}  // namespace
}  // namespace creel::test
