// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/channel.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "creel/creel.h"
#include "test/sync/fiber_test_util.h"

namespace creel::test {
namespace {

class ChannelTest : public FiberTest {};
INSTANTIATE_FIBER_TEST(ChannelTest);

// Types of each way an element can be stored, with a value per number.
template <typename T>
T make(int i);
template <>
int make<int>(int i) {
  return i;
}
struct Big {
  int values[40];
  bool operator==(const Big&) const = default;
};
template <>
Big make<Big>(int i) {
  Big big{};
  std::iota(std::begin(big.values), std::end(big.values), i);
  return big;
}
template <>
std::string make<std::string>(int i) {
  return std::string(i % 40, 'x') + std::to_string(i);
}
template <>
std::unique_ptr<int> make<std::unique_ptr<int>>(int i) {
  return std::make_unique<int>(i);
}
struct alignas(64) Aligned {
  char value;
  bool operator==(const Aligned&) const = default;
};
template <>
Aligned make<Aligned>(int i) {
  return {static_cast<char>(i)};
}
struct Fixed {  // copyable, but not assignable, and in a heap node
  explicit Fixed(std::string text) : value(std::move(text)) {}
  const std::string value;
  bool operator==(const Fixed&) const = default;
};
template <>
Fixed make<Fixed>(int i) {
  return Fixed(std::to_string(i));
}
template <typename T>
bool same(const T& a, const T& b) {
  return a == b;
}
bool same(const std::unique_ptr<int>& a, const std::unique_ptr<int>& b) { return *a == *b; }

template <typename T>
class ChannelOf : public ::testing::Test {
 private:
  TimeLimit limit_;
};
using Elements = ::testing::Types<int, Big, std::string, std::unique_ptr<int>, Aligned, Fixed>;
TYPED_TEST_SUITE(ChannelOf, Elements);

TYPED_TEST(ChannelOf, CarriesValuesInOrder) {
  for (int procs : {1, 2, 4}) {
    for (std::size_t capacity : {0, 1, 7}) {
      run_with(procs, [capacity] {
        Channel<TypeParam> channel(capacity);
        EXPECT_EQ(channel.capacity(), capacity);
        WaitGroup wg;
        wg.go([&] {
          for (int i = 0; i < 300; ++i) channel.send(make<TypeParam>(i));
          channel.close();
        });
        int next = 0;
        for (TypeParam& value : channel) EXPECT_TRUE(same(value, make<TypeParam>(next++)));
        EXPECT_EQ(next, 300);
        wg.wait();
      });
    }
  }
}

TYPED_TEST(ChannelOf, AFailedSendLeavesTheValue) {
  run_with(2, [] {
    Channel<TypeParam> channel(1);
    channel.send(make<TypeParam>(1));
    if constexpr (std::is_move_assignable_v<TypeParam>) {
      TypeParam value = make<TypeParam>(2);
      EXPECT_FALSE(channel.try_send(std::move(value)));
      EXPECT_TRUE(same(value, make<TypeParam>(2)));
      EXPECT_FALSE(channel.send_for(std::move(value), 1ms));
      EXPECT_TRUE(same(value, make<TypeParam>(2)));
      channel.close();
      EXPECT_THROW(channel.send(std::move(value)), ChannelClosed);
      EXPECT_TRUE(same(value, make<TypeParam>(2)));
    }
    // One value is left for the destructor.
  });
}

TEST_P(ChannelTest, UnbufferedSendWaitsForItsReceiver) {
  run([] {
    Channel<int> channel;
    EXPECT_FALSE(channel.try_send(1));
    EXPECT_FALSE(channel.try_recv().has_value());
    WaitGroup wg;
    std::atomic<bool> sent{false};
    go_until_parked(wg, [&] {
      channel.send(7);
      sent = true;
    });
    EXPECT_FALSE(sent);
    EXPECT_EQ(channel.size(), 0u);
    EXPECT_EQ(channel.recv(), 7);
    wg.wait();
    EXPECT_TRUE(sent);
  });
}

TEST_P(ChannelTest, BufferFillsBeforeASenderWaits) {
  run([] {
    Channel<int> channel(2);
    EXPECT_TRUE(channel.try_send(1));
    channel.send(2);
    EXPECT_EQ(channel.size(), 2u);
    EXPECT_FALSE(channel.try_send(3));
    WaitGroup wg;
    go_until_parked(wg, [&] { channel.send(3); });
    go_until_parked(wg, [&] { channel.send(4); });
    for (int i = 1; i <= 4; ++i) EXPECT_EQ(channel.recv(), i);
    wg.wait();
    EXPECT_TRUE(channel.empty());
  });
}

TEST_P(ChannelTest, ReceiversAreServedInOrder) {
  run([] {
    Channel<int> channel;
    std::vector<int> got(6);
    WaitGroup wg;
    for (int i = 0; i < 6; ++i) go_until_parked(wg, [&channel, &got, i] { got[i] = *channel.recv(); });
    for (int i = 0; i < 6; ++i) channel.send(i);
    wg.wait();
    EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4, 5}));
  });
}

TEST_P(ChannelTest, SendersAreServedInOrder) {
  for (const std::size_t capacity : {0u, 2u}) {
    run([capacity] {
      Channel<int> channel(capacity);
      int sent = 0;
      for (; sent < static_cast<int>(capacity); ++sent) channel.send(sent);
      WaitGroup wg;
      for (int i = sent; i < sent + 6; ++i) go_until_parked(wg, [&channel, i] { channel.send(i); });
      for (int i = 0; i < sent + 6; ++i) EXPECT_EQ(channel.recv(), i);
      wg.wait();
    });
  }
}

// Whoever comes while others wait does not overtake them, neither by try_send() nor by try_recv().
TEST_P(ChannelTest, NobodyOvertakesThoseWhoWait) {
  run([] {
    Channel<int> channel(1);
    channel.send(0);
    WaitGroup wg;
    go_until_parked(wg, [&channel] { channel.send(1); });
    EXPECT_EQ(channel.recv(), 0);
    EXPECT_FALSE(channel.try_send(9)) << "the slot was the waiting sender's";
    EXPECT_EQ(channel.recv(), 1);
    int got = 0;
    go_until_parked(wg, [&channel, &got] { got = *channel.recv(); });
    channel.send(2);
    EXPECT_FALSE(channel.try_recv().has_value()) << "the element was the waiting receiver's";
    wg.wait();
    EXPECT_EQ(got, 2);
  });
}

TEST_P(ChannelTest, CloseWakesAll) {
  run([] {
    Channel<int> idle;
    Channel<int> full(1);
    full.send(1);
    WaitGroup wg;
    std::atomic<int> ends{0};
    for (int i = 0; i < 4; ++i) {
      go_until_parked(wg, [&] {
        EXPECT_EQ(idle.recv(), std::nullopt);
        ++ends;
      });
      go_until_parked(wg, [&] {
        EXPECT_THROW(full.send(2), ChannelClosed);
        ++ends;
      });
      go_until_parked(wg, [&] {
        EXPECT_TRUE(idle.recv_for(1h).closed());
        ++ends;
      });
    }
    idle.close();
    full.close();
    wg.wait();
    EXPECT_EQ(ends, 12);
    EXPECT_TRUE(full.closed());
    EXPECT_EQ(full.recv(), 1);  // what was in the buffer is still there
    EXPECT_EQ(full.recv(), std::nullopt);
    EXPECT_THROW((void)full.try_send(3), ChannelClosed);
    EXPECT_THROW(full.close(), ChannelClosed);
  });
}

TEST_P(ChannelTest, TryRecvTellsEmptyFromClosed) {
  run([] {
    Channel<int> channel(1);
    Received<int> nothing = channel.try_recv();
    EXPECT_FALSE(nothing);
    EXPECT_FALSE(nothing.closed());
    channel.send(1);
    channel.close();
    Received<int> one = channel.try_recv();
    EXPECT_EQ(one, 1);
    EXPECT_FALSE(one.closed());
    EXPECT_TRUE(channel.try_recv().closed());
    EXPECT_TRUE(channel.recv_until(std::chrono::system_clock::now()).closed());
  });
}

TEST_P(ChannelTest, TimeLimits) {
  run([] {
    Channel<int> channel;
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(channel.send_for(1, 2ms));
    EXPECT_FALSE(channel.recv_for(2ms));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 4ms);
    EXPECT_FALSE(channel.send_until(1, begin));
    EXPECT_FALSE(channel.recv_until(begin));
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_TRUE(channel.send_for(5, 1h)); });
    EXPECT_EQ(channel.recv_for(std::chrono::hours::max()), 5);
    wg.wait();
  });
}

TEST_P(ChannelTest, OfNothing) {
  run([] {
    Channel<void> channel(1000000);
    channel.send();
    EXPECT_TRUE(channel.try_send());
    EXPECT_EQ(channel.size(), 2u);
    channel.close();
    int count = 0;
    for ([[maybe_unused]] Signal signal : channel) ++count;
    EXPECT_EQ(count, 2);
    EXPECT_FALSE(channel.recv());
    EXPECT_TRUE(channel.try_recv().closed());
  });
}

// Throws when told to, and counts its instances.
struct Fragile {
  static inline std::atomic<int> alive{0};
  static inline std::atomic<bool> throwing{false};
  explicit Fragile(int i) : value(i) { ++alive; }
  Fragile(const Fragile& other) : value(other.value) {
    if (throwing) throw std::runtime_error("copy");
    ++alive;
  }
  Fragile(Fragile&& other) : value(other.value) {
    if (throwing) throw std::runtime_error("move");
    ++alive;
  }
  ~Fragile() { --alive; }
  int value;
};

TEST_P(ChannelTest, AThrowingMoveLeavesTheChannelIntact) {
  run([] {
    {
      Channel<Fragile> channel(2);
      channel.send(Fragile(1));
      Fragile::throwing = true;
      EXPECT_THROW(channel.send(Fragile(2)), std::runtime_error);
      EXPECT_EQ(channel.size(), 1u);
      EXPECT_THROW((void)channel.recv(), std::runtime_error);  // this value is lost
      Fragile::throwing = false;
      EXPECT_EQ(channel.size(), 0u);
      channel.send(Fragile(3));
      EXPECT_EQ(channel.recv()->value, 3);
      channel.send(Fragile(4));
      EXPECT_EQ(Fragile::alive, 1);
    }
    EXPECT_EQ(Fragile::alive, 0);  // the destructor has drained the buffer
  });
}

// Parks in its move constructor.
struct Parking {
  Parking() = default;
  Parking(Parking&&) { creel::yield(); }
};

TEST_P(ChannelTest, AMoveMayPark) {
  run([] {
    Channel<Parking> channel;
    WaitGroup wg;
    for (int i = 0; i < 4; ++i) {
      wg.go([&] {
        for (int k = 0; k < 50; ++k) channel.send(Parking());
      });
    }
    for (int k = 0; k < 200; ++k) EXPECT_TRUE(channel.recv().has_value());
    wg.wait();
  });
}

TEST(ChannelLimits, ABufferThatCannotBe) { EXPECT_THROW(Channel<Big>(SIZE_MAX / 8), std::bad_alloc); }

// Each value arrives exactly once, and those of one sender in order at each receiver, whatever the mix of calls.
TEST_P(ChannelTest, Stress) {
  for (std::size_t capacity : {0, 1, 16}) {
    run([capacity] {
      constexpr int kSenders = 4;
      constexpr int kItems = 3000;
      Channel<int> channel(capacity);
      std::atomic<int> seen[kSenders * kItems] = {};
      WaitGroup senders;
      WaitGroup receivers;
      for (int s = 0; s < kSenders; ++s) {
        senders.go([&, s] {
          for (int i = 0; i < kItems; ++i) {
            const int value = s * kItems + i;
            switch (i % 3) {
              case 0:
                while (!channel.try_send(value)) creel::yield();
                break;
              case 1:
                while (!channel.send_for(value, 20us)) {
                }
                break;
              default:
                channel.send(value);
            }
          }
        });
        receivers.go([&, s] {
          std::map<int, int> latest;
          for (int turn = 0;; ++turn) {
            Received<int> value = (turn + s) % 3 == 0   ? channel.recv_for(20us)
                                  : (turn + s) % 3 == 1 ? channel.recv_for(1h)
                                                        : channel.try_recv();
            if (!value) {
              if (value.closed()) break;
              creel::yield();
              continue;
            }
            ++seen[*value];
            auto [at, first] = latest.try_emplace(*value / kItems, *value);
            EXPECT_TRUE(first || at->second < *value);
            at->second = *value;
          }
        });
      }
      senders.wait();
      channel.close();
      receivers.wait();
      for (auto& count : seen) EXPECT_EQ(count, 1);
    });
  }
}

#if !defined(NDEBUG)
TEST(ChannelDeathTest, DestroyedUnderAWaiter) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run_with(1,
                        [] {
                          auto channel = std::make_unique<Channel<int>>();
                          WaitGroup wg;
                          go_until_parked(wg, [&] { (void)channel->recv(); });
                          channel.reset();
                        }),
               "destroyed while fibers wait");
}
#endif

}  // namespace
}  // namespace creel::test
