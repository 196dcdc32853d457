// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// TcpListener over loopback: binding, accepting, connecting to it, its end. Go's tests of the same behaviour are named
// next to each.

#include <creel/net/tcp_listener.h>
#include <creel/net/tcp_stream.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <string>
#include <system_error>

#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::Address;
using net::Errc;
using net::TcpListener;
using net::TcpStream;

class TcpListenerTest : public NetTest {};
INSTANTIATE_RUNTIME_TEST(TcpListenerTest);

TEST_P(TcpListenerTest, SeveralListenersShareAPort) {
  run([] {
    TcpListener first = TcpListener::bind("127.0.0.1:0", {.reuse_port = true});
    TcpListener second = TcpListener::bind(first.local_address(), {.reuse_port = true});
    std::error_code error;
    TcpListener third = TcpListener::bind(first.local_address(), {}, error);
    EXPECT_EQ(error, std::errc::address_in_use);
    EXPECT_FALSE(third.is_open());
    WaitGroup wg;
    std::atomic<int> accepted{0};
    for (TcpListener* listener : {&first, &second}) {
      wg.go([&accepted, listener] {
        std::error_code failed;
        for (;;) {
          TcpStream stream = listener->accept(failed);
          if (failed) break;
          ++accepted;
        }
        EXPECT_EQ(failed, Errc::closed);
      });
    }
    for (int i = 0; i < 20; ++i) static_cast<void>(TcpStream::connect(first.local_address()));
    await([&] { return accepted.load() == 20; });
    first.close();
    second.close();
    wg.wait();
  });
}

TEST_P(TcpListenerTest, ListensAtV6AndEverywhere) {
  run([] {
    TcpListener everywhere = TcpListener::bind(":0");
    const std::uint16_t port = everywhere.local_address().port();
    WaitGroup wg;
    wg.go([&] { EXPECT_TRUE(everywhere.accept().peer_address().is_loopback()); });
    static_cast<void>(TcpStream::connect(Address::loopback_v4(port)));
    wg.wait();
    if (!everywhere.local_address().is_v6()) GTEST_SKIP() << "this machine has no IPv6";
    std::error_code error;
    TcpListener v6 = TcpListener::bind("[::1]:0", error);
    if (error) GTEST_SKIP() << "this machine has no ::1: " << error.message();
    wg.go([&] { EXPECT_EQ(v6.accept().peer_address().host(), "::1"); });
    static_cast<void>(TcpStream::connect(v6.local_address().to_string()));
    wg.wait();
  });
}

TEST_P(TcpListenerTest, ManyAcceptors) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    constexpr int kFibers = 8;
    constexpr int kEach = 10;
    WaitGroup wg;
    std::atomic<int> accepted{0};
    for (int i = 0; i < kFibers; ++i) {
      wg.go([&] {
        std::error_code error;
        while (accepted.load() < kFibers * kEach) {
          TcpStream stream = listener.accept(error);
          if (error) break;
          if (++accepted == kFibers * kEach) {
            listener.close(error);
            break;
          }
        }
      });
    }
    WaitGroup clients;
    for (int i = 0; i < kFibers; ++i) {
      clients.go([&] {
        for (int k = 0; k < kEach; ++k) static_cast<void>(TcpStream::connect(listener.local_address()));
      });
    }
    clients.wait();
    wg.wait();
    EXPECT_EQ(accepted.load(), kFibers * kEach);
  });
}

TEST_P(TcpListenerTest, NobodyListens) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    const Address address = listener.local_address();
    listener.close();
    std::error_code error;
    const TcpStream stream = TcpStream::connect(address, error);
    EXPECT_EQ(error, std::errc::connection_refused) << error.message();
    EXPECT_FALSE(stream.is_open());
    try {
      static_cast<void>(TcpStream::connect(address));
      FAIL() << "connected";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::connection_refused);
      EXPECT_THAT(e.what(), testing::HasSubstr(address.to_string()));
    }
  });
}

TEST_P(TcpListenerTest, BadAddressesAreNamed) {
  run([] {
    for (const char* text :
         {"", "nothing", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "::1:80", "[::1]", "[::1:80", "1.2.3.4:-1"}) {
      std::error_code error;
      static_cast<void>(TcpStream::connect(text, error));
      EXPECT_EQ(error, Errc::bad_address) << text;
      try {
        static_cast<void>(TcpListener::bind(text));
        FAIL() << text;
      } catch (const std::system_error& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr(std::string("\"") + text + "\"")) << text;
      }
    }
  });
}

// Go: the Close half of TestListenerClose.
TEST_P(TcpListenerTest, CloseEndsAnAccept) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    const Address address = listener.local_address();
    WaitGroup wg;
    go_until_parked(wg, [&] {
      std::error_code error;
      EXPECT_FALSE(listener.accept(error).is_open());
      EXPECT_EQ(error, Errc::closed);
    });
    listener.close();
    // The port is free when close() has returned.
    listener = TcpListener::bind(address);
    wg.wait();
  });
}

// Listeners and streams of abandoned fibers are closed at the runtime's end: the port is free again.
TEST(TcpEnd, ThePortOfAnAbandonedServerIsFree) {
  Watchdog watchdog;
  Address address;
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(run_with(2,
                       [&] {
                         // Left behind by a fiber that never ends.
                         WaitGroup never;
                         Channel<Address> bound(1);
                         never.go([&] {
                           TcpListener own = TcpListener::bind(round == 0 ? Address::loopback_v4(0) : address);
                           bound.send(own.local_address());
                           for (;;) {
                             TcpStream stream = own.accept();
                             std::array<char, 4> room;
                             static_cast<void>(stream.read_some(room));
                           }
                         });
                         address = *bound.recv();
                         TcpStream stream = TcpStream::connect(address);
                       }),
              0);
  }
}

// A socket that outlives its runtime is closed, and may be destroyed at leisure.
TEST(TcpEnd, ASocketOutlivesItsRuntime) {
  Watchdog watchdog;
  TcpListener listener;
  EXPECT_EQ(run_with(2, [&] { listener = TcpListener::bind("127.0.0.1:0"); }), 0);
  EXPECT_FALSE(listener.is_open());
  std::error_code error;
  listener.close(error);
  EXPECT_EQ(error, Errc::closed);
  EXPECT_EQ(run_with(2,
                     [&] {
                       EXPECT_FALSE(listener.accept(error).is_open());
                       EXPECT_EQ(error, Errc::closed);
                       listener = TcpListener::bind("127.0.0.1:0");
                       EXPECT_TRUE(listener.is_open());
                     }),
            0);
}

class TcpDeathTest : public DeathTest {};
TEST_F(TcpDeathTest, OutsideARuntimeEndsTheProcessWithAMessage) {
  EXPECT_DEATH(static_cast<void>(TcpListener::bind(Address::loopback_v4(0))), "TcpListener::bind");
  EXPECT_DEATH(static_cast<void>(TcpStream::connect("127.0.0.1:1")), "resolve|connect");
}

}  // namespace
}  // namespace creel::test
