// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/select.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

class SelectTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(SelectTest);

TEST_P(SelectTest, TakesTheReadyCase) {
  run([] {
    Channel<int> empty;
    Channel<std::string> ready(1);
    ready.send("text");
    std::string got;
    EXPECT_EQ(select(on_recv(empty, [](std::optional<int>) { ADD_FAILURE(); }),
                     on_recv(ready, [&](std::optional<std::string> value) { got = *value; }),
                     after(1h, [] { ADD_FAILURE(); })),
              1u);
    EXPECT_EQ(got, "text");
    bool sent = false;
    EXPECT_EQ(select(on_recv(empty), on_send(ready, "more", [&] { sent = true; })), 1u);
    EXPECT_TRUE(sent);
    EXPECT_EQ(ready.recv(), "more");
  });
}

TEST_P(SelectTest, OtherwiseWhenNothingIsReady) {
  run([] {
    Channel<int> a;
    Channel<std::unique_ptr<int>> b;
    int ran = 0;
    EXPECT_EQ(select(on_recv(a), otherwise([&] { ++ran; }), on_send(b, std::make_unique<int>(1))), 1u);
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(select(otherwise()), 0u);
  });
}

TEST_P(SelectTest, WaitsForAnyCase) {
  run([] {
    Channel<int> a;
    Channel<int> b;
    Channel<int> c;
    for (int turn = 0; turn < 3; ++turn) {
      WaitGroup wg;
      std::size_t chosen = 9;
      int got = -1;
      go_until_parked(wg, [&] {
        chosen = select(on_recv(a, [&](std::optional<int> v) { got = *v; }),
                        on_recv(b, [&](std::optional<int> v) { got = *v; }), on_send(c, 42));
      });
      if (turn == 0) a.send(10);
      if (turn == 1) b.send(11);
      if (turn == 2) got = *c.recv();
      wg.wait();
      EXPECT_EQ(chosen, static_cast<std::size_t>(turn));
      EXPECT_EQ(got, turn == 2 ? 42 : 10 + turn);
      // Nothing of the select is left in the other channels.
      EXPECT_FALSE(a.try_send(1));
      EXPECT_FALSE(b.try_send(1));
      EXPECT_FALSE(c.try_recv());
    }
  });
}

TEST_P(SelectTest, TimeLimit) {
  run([] {
    Channel<int> channel;
    const auto begin = std::chrono::steady_clock::now();
    int ran = 0;
    EXPECT_EQ(select(after(1h, [] { ADD_FAILURE(); }), on_recv(channel), after(2ms, [&] { ++ran; })), 2u);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 2ms);
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(select(on_recv(channel), after(-1s)), 1u);
    EXPECT_EQ(select(after(1ms)), 0u);
    EXPECT_EQ(select(at(begin)), 0u);
    EXPECT_FALSE(channel.try_send(1));  // the waiter is gone
  });
}

TEST_P(SelectTest, NullChannelsNeverHappen) {
  run([] {
    Channel<int>* none = nullptr;
    Channel<int> some(1);
    EXPECT_EQ(select(on_recv(none), on_send(none, 1), otherwise()), 2u);
    EXPECT_EQ(select(on_recv(none), after(1ms)), 1u);
    EXPECT_EQ(select(on_recv(none), on_send(&some, 3)), 1u);
    EXPECT_EQ(some.recv(), 3);
  });
}

TEST_P(SelectTest, Close) {
  run([] {
    Channel<int> a;
    Channel<void> b;
    Channel<int> c;
    WaitGroup wg;
    go_until_parked(wg, [&] {
      EXPECT_EQ(select(on_recv(a, [](std::optional<int> v) { EXPECT_EQ(v, std::nullopt); }), on_recv(b)), 0u);
    });
    go_until_parked(wg, [&] { EXPECT_THROW(select(on_send(c, 1), on_recv(b)), ChannelClosed); });
    a.close();
    c.close();
    wg.wait();
    EXPECT_THROW(select(on_send(a, 1)), ChannelClosed);
    EXPECT_THROW(select(on_send(a, 1), otherwise()), ChannelClosed);
    b.close();
    bool signal = true;
    select(on_recv(b, [&](bool value) { signal = value; }));
    EXPECT_FALSE(signal);
  });
}

TEST_P(SelectTest, OneChannelInSeveralCases) {
  run([] {
    Channel<int> channel;
    WaitGroup wg;
    go_until_parked(wg, [&] { select(on_recv(channel), on_recv(channel), on_send(channel, 5)); });
    const std::size_t chosen =
        select(on_send(channel, 1), on_recv(channel, [](std::optional<int> v) { EXPECT_EQ(v, 5); }));
    EXPECT_LT(chosen, 2u);
    wg.wait();
    EXPECT_FALSE(channel.try_send(1));
    EXPECT_FALSE(channel.try_recv());
  });
}

TEST_P(SelectTest, TwoSelectsMeet) {
  run([] {
    Channel<int> a;
    Channel<int> b;
    WaitGroup wg;
    int got = 0;
    go_until_parked(wg, [&] {
      select(on_recv(a, [&](std::optional<int> v) { got = *v; }), on_recv(b, [&](std::optional<int> v) { got = -*v; }));
    });
    EXPECT_EQ(select(on_send(b, 3), on_recv(a)), 0u);
    wg.wait();
    EXPECT_EQ(got, -3);
  });
}

// A select waits in its channels' queues like anybody else: plain and selecting fibers in the order they came.
TEST_P(SelectTest, ReceiversAreServedInOrder) {
  run([] {
    Channel<int> channel;
    Channel<int> other;
    std::vector<int> got(6, -1);
    WaitGroup wg;
    for (int i = 0; i < 6; ++i) {
      int& mine = got[static_cast<std::size_t>(i)];
      if (i % 2 == 0) {
        go_until_parked(wg, [&] {
          select(on_recv(other), on_recv(channel, [&mine](std::optional<int> value) { mine = *value; }), after(1h));
        });
      } else {
        go_until_parked(wg, [&] { mine = *channel.recv(); });
      }
    }
    for (int i = 0; i < 6; ++i) channel.send(i);
    wg.wait();
    EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4, 5}));
  });
}

TEST_P(SelectTest, SendersAreServedInOrder) {
  run([] {
    Channel<int> channel;
    Channel<int> other;
    WaitGroup wg;
    for (int i = 0; i < 6; ++i) {
      if (i % 2 == 0) {
        go_until_parked(wg, [&channel, &other, i] { select(on_recv(other), on_send(channel, i), after(1h)); });
      } else {
        go_until_parked(wg, [&channel, i] { channel.send(i); });
      }
    }
    for (int i = 0; i < 6; ++i) EXPECT_EQ(channel.recv(), i);
    wg.wait();
  });
}

// A select that was served elsewhere has lost its place: the next in the queue is served instead, none is left out.
TEST_P(SelectTest, ASelectServedElsewhereIsPassedOver) {
  run([] {
    Channel<int> first;
    Channel<int> second;
    std::atomic<int> got{0};
    WaitGroup wg;
    go_until_parked(wg, [&] { select(on_recv(first), on_recv(second)); });
    go_until_parked(wg, [&] { got = *second.recv(); });
    first.send(1);
    second.send(2);
    wg.wait();
    EXPECT_EQ(got, 2);
  });
}

// Among ready cases each is equally likely: 4000 draws out of 4, each within 6 standard deviations of 1000.
TEST_P(SelectTest, ChoosesUniformly) {
  run([] {
    std::array<Channel<int>, 4> channels{Channel<int>(1), Channel<int>(1), Channel<int>(1),
                                         Channel<int>(1)};  // in place: not movable
    for (auto& channel : channels) channel.send(0);
    std::array<int, 4> chosen{};
    for (int i = 0; i < 4000; ++i) {
      const std::size_t index =
          select(on_recv(channels[0]), on_recv(channels[1]), on_recv(channels[2]), on_recv(channels[3]));
      ++chosen[index];
      channels[index].send(0);
    }
    for (int count : chosen) EXPECT_NEAR(count, 1000, 165);
  });
}

// Many selects over the same channels, in opposite orders, with time limits: nothing lost, nothing doubled, no
// deadlock.
TEST_P(SelectTest, Stress) {
  run([] {
    constexpr int kFibers = 4;
    constexpr int kItems = 1500;
    Channel<int> a;
    Channel<int> b(2);
    Channel<void> stop;
    std::atomic<std::int64_t> sent{0};
    std::atomic<std::int64_t> received{0};
    std::atomic<int> count{0};
    WaitGroup senders;
    WaitGroup receivers;
    for (int f = 0; f < kFibers; ++f) {
      senders.go([&, f] {
        for (int i = 1; i <= kItems; ++i) {
          if ((i + f) % 2 == 0) {
            select(on_send(a, i), on_send(b, i));
          } else {
            while (select(on_send(b, i), on_send(a, i), after(10us)) == 2) {
            }
          }
          sent += i;
        }
      });
      receivers.go([&] {
        const auto take = [&](std::optional<int> value) {
          received += *value;
          ++count;
        };
        for (bool stopped = false; !stopped;) {
          select(on_recv(a, take), on_recv(stop, [&] { stopped = true; }), on_recv(b, take), after(50us));
        }
        // stop closed while b may still hold values
        while (select(on_recv(b, take), otherwise()) == 0) {
        }
      });
    }
    senders.wait();
    stop.close();
    receivers.wait();
    EXPECT_EQ(sent, received);
    EXPECT_EQ(count, kFibers * kItems);
  });
}

}  // namespace
}  // namespace creel::test
