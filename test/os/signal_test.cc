// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Signals as values of a channel and as the end of a context. Go's tests of the same behaviour are named next to each.
// The signals are sent by raise(): the handler has run when it returns.

#include <creel/creel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <exception>
#include <optional>
#include <set>
#include <string>
#include <system_error>

#include "test/net/fixture.h"

namespace creel::test {
namespace {

// What a signal did before the test.
std::atomic<int> g_handled{0};
void count_signal(int) { g_handled.fetch_add(1, std::memory_order_relaxed); }

class SignalTest : public NetTest {
 protected:
  SignalTest() {
    g_handled = 0;
    struct sigaction action {};
    action.sa_handler = count_signal;
    for (const int signal : {SIGUSR1, SIGUSR2, SIGHUP}) ::sigaction(signal, &action, nullptr);
  }
  ~SignalTest() override {
    for (const int signal : {SIGUSR1, SIGUSR2, SIGHUP}) ::signal(signal, SIG_DFL);
  }
};
INSTANTIATE_RUNTIME_TEST(SignalTest);

// Go: TestSignal.
TEST_P(SignalTest, ArrivesInTheChannel) {
  run([] {
    Channel<int> channel(1);
    signal_notify(channel, SIGUSR1);
    for (int i = 0; i < 20; ++i) {
      ::raise(SIGUSR1);
      EXPECT_EQ(channel.recv(), SIGUSR1);
    }
    // While a fiber waits, and for the process.
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(channel.recv(), SIGUSR1); });
    ::kill(::getpid(), SIGUSR1);
    wg.wait();
    signal_stop(channel);
    EXPECT_EQ(g_handled, 0);
  });
}

// Go: TestStop.
TEST_P(SignalTest, StopPutsBackWhatWasThere) {
  run([] {
    Channel<int> channel(2);
    signal_notify(channel, SIGUSR1, SIGUSR2);
    ::raise(SIGUSR1);
    ::raise(SIGUSR2);
    signal_stop(channel);
    // What came before has been sent.
    std::set<int> got;
    while (!channel.empty()) got.insert(channel.recv().value());
    EXPECT_EQ(got, (std::set<int>{SIGUSR1, SIGUSR2}));
    EXPECT_EQ(g_handled, 0);
    ::raise(SIGUSR1);
    EXPECT_EQ(g_handled, 1);
    EXPECT_TRUE(channel.empty());
    signal_stop(channel);  // nothing
    for (int i = 0; i < 20; ++i) {  // again and again
      signal_notify(channel, SIGUSR1);
      ::raise(SIGUSR1);
      signal_stop(channel);
      EXPECT_EQ(channel.recv(), SIGUSR1);
    }
  });
}

TEST_P(SignalTest, AFullChannelMisses) {
  run([] {
    Channel<int> full(1);
    Channel<int> other(4);
    signal_notify(full, SIGUSR1);
    signal_notify(full, SIGUSR2);  // both
    signal_notify(other, SIGUSR1, SIGUSR2);
    ::raise(SIGUSR1);
    EXPECT_EQ(other.recv(), SIGUSR1);
    ::raise(SIGUSR2);
    EXPECT_EQ(other.recv(), SIGUSR2);
    signal_stop(other);
    EXPECT_EQ(full.recv(), SIGUSR1);
    EXPECT_TRUE(full.empty());
    ::raise(SIGUSR2);  // still registered here
    EXPECT_EQ(full.recv(), SIGUSR2);
    signal_stop(full);
  });
}

// Go: TestIgnore, TestReset, TestIgnored (TestDetectNohup's part).
TEST_P(SignalTest, IgnoreAndReset) {
  run([] {
    Channel<int> channel(1);
    signal_notify(channel, SIGUSR1, SIGUSR2);
    signal_ignore(SIGUSR1);
    EXPECT_TRUE(signal_ignored(SIGUSR1));
    EXPECT_FALSE(signal_ignored(SIGUSR2));
    ::raise(SIGUSR1);
    ::raise(SIGUSR2);
    EXPECT_EQ(channel.recv(), SIGUSR2) << "the other one is not concerned";
    signal_reset(SIGUSR1, SIGUSR2);
    EXPECT_FALSE(signal_ignored(SIGUSR1));
    ::raise(SIGUSR1);
    ::raise(SIGUSR2);
    EXPECT_EQ(g_handled, 2);
    signal_ignore(SIGUSR1);
    signal_notify(channel, SIGUSR1);  // ends the ignoring
    EXPECT_FALSE(signal_ignored(SIGUSR1));
    ::raise(SIGUSR1);
    EXPECT_EQ(channel.recv(), SIGUSR1);
    signal_stop(channel);
    ::raise(SIGUSR1);
    EXPECT_EQ(g_handled, 3);
  });
}

// Go: TestNotifyContextNotifications, TestNotifyContextSimultaneousStop, TestNotifyContextCancelParent,
// TestNotifyContextStop.
TEST_P(SignalTest, EndsAContext) {
  run([] {
    auto [context, stop] = notify_context(Context::background(), SIGUSR1, SIGUSR2);
    EXPECT_FALSE(context.ended());
    WaitGroup wg;
    go_until_parked(wg, [&, given = context] { wait_done(given); });
    ::raise(SIGUSR2);
    wg.wait();
    EXPECT_EQ(context.error(), ContextError::kCancelled);
    try {
      std::rethrow_exception(context.cause());
    } catch (const SignalReceived& cause) {
      EXPECT_EQ(cause.signal(), SIGUSR2);
      EXPECT_THAT(cause.what(), testing::HasSubstr("SIGUSR2"));
    }
    ::raise(SIGUSR1);
    EXPECT_EQ(g_handled, 0) << "registered until it is stopped";
    WaitGroup stops;
    for (int i = 0; i < 3; ++i) stops.go([stop = stop] { stop(); });
    stops.wait();
    ::raise(SIGUSR1);
    EXPECT_EQ(g_handled, 1);

    auto [parent, cancel] = Context::background().with_cancel();
    {
      auto [child, stop_child] = notify_context(parent, SIGUSR1);
      cancel();
      EXPECT_TRUE(child.ended());
    }
    ::raise(SIGUSR1);
    EXPECT_EQ(g_handled, 2) << "gone with its handle";
    auto [stopped, stop_it] = notify_context(Context::background(), SIGUSR1);
    stop_it();
    EXPECT_TRUE(stopped.ended());
  });
}

// A program that waits for a signal alone is not in a deadlock; one that has stopped doing so is (runtime tests).
TEST_P(SignalTest, WaitingForASignalIsNoDeadlock) {
  run([] {
    auto [context, stop] = notify_context(Context::background(), SIGHUP);
    std::thread outside([] { ::kill(::getpid(), SIGHUP); });
    wait_done(context);
    blocking([&] { outside.join(); });
  });
}

TEST_P(SignalTest, StormOfSignals) {
  run([] {
    Channel<int> channel(1);
    signal_notify(channel, SIGUSR1);
    std::atomic<bool> over{false};
    std::thread outside([&] {
      for (int i = 0; i < 2000; ++i) ::kill(::getpid(), SIGUSR1);
      over = true;
    });
    WaitGroup wg;
    for (int i = 0; i < 4; ++i) {
      wg.go([&] {
        while (!over) creel::yield();
      });
    }
    int got = 0;
    while (!over) got += channel.recv_for(1ms).has_value() ? 1 : 0;
    wg.wait();
    blocking([&] { outside.join(); });
    ::raise(SIGUSR1);
    EXPECT_EQ(channel.recv(), SIGUSR1);
    signal_stop(channel);
  });
}

TEST_P(SignalTest, BadSignalsAreNamed) {
  run([] {
    Channel<int> channel(1);
    for (const int signal : {SIGKILL, SIGSTOP, SIGSEGV, 0, -1, 65, 32}) {
      try {
        signal_notify(channel, signal);
        ADD_FAILURE() << signal << " was accepted";
      } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::invalid_argument);
        EXPECT_THAT(error.what(), testing::HasSubstr("not accepted"));
      }
    }
    EXPECT_THROW(signal_ignore(SIGKILL), std::system_error);
    signal_stop(channel);
  });
}

// A runtime's end puts everything back, also what abandoned fibers had registered. The next one begins anew.
TEST(SignalRuntime, EndPutsEverythingBack) {
  struct sigaction before {};
  ::sigaction(SIGUSR1, nullptr, &before);
  static Channel<int>* forgotten = nullptr;
  for (int i = 0; i < 3; ++i) {
    run_with(2, [] {
      forgotten = new Channel<int>(1);
      signal_notify(*forgotten, SIGUSR1);
      signal_ignore(SIGUSR2);
      ::raise(SIGUSR1);
      EXPECT_EQ(forgotten->recv(), SIGUSR1);
    });
    delete forgotten;
    struct sigaction after {};
    ::sigaction(SIGUSR1, nullptr, &after);
    EXPECT_EQ(after.sa_handler, before.sa_handler);
    EXPECT_FALSE(signal_ignored(SIGUSR2));
  }
}

// A context's registration that outlives the runtime.
TEST(SignalRuntime, StopAfterTheEnd) {
  std::optional<SignalStop> kept;
  WaitGroup never;
  static auto& reachable = *new std::optional<Context>;  // the abandoned fiber's: a leak otherwise
  run_with(2, [&] {
    auto [context, stop] = notify_context(Context::background(), SIGUSR1);
    kept = stop;
    reachable = context;
    go_until_parked(never, [given = context] { static_cast<void>(sleep_for(given, 1h)); });
  });
  (*kept)();  // who waits is on a stack that is gone
  kept.reset();
  EXPECT_FALSE(signal_ignored(SIGUSR1));
}

TEST_P(SignalTest, TheTraceIsAccepted) {
  CREEL_REQUIRE_GO_TRACE();
  const std::string path = test_directory() + "/trace";
  run([&] {
    trace::Session session = trace::start(path);
    Channel<int> channel(1);
    signal_notify(channel, SIGUSR1);
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(channel.recv(), SIGUSR1); });
    ::raise(SIGUSR1);
    wg.wait();
    signal_stop(channel);
    EXPECT_FALSE(session.stop());
  });
  EXPECT_TRACE_ACCEPTED(path);
}

}  // namespace
}  // namespace creel::test
