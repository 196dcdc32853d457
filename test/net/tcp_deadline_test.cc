// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Deadlines of TCP sockets: the behaviour of Go's net/timeout_test.go, whose tests are named next to each.

#include <creel/net/tcp_listener.h>
#include <creel/net/tcp_stream.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include "test/net/link.h"

namespace creel::test {
namespace {

using net::Deadline;
using net::TcpListener;
using net::TcpStream;

class TcpDeadlineTest : public NetTest {};
INSTANTIATE_RUNTIME_TEST(TcpDeadlineTest);

// Go: TestDialTimeout. A listener whose queue is full does not answer.
TEST_P(TcpDeadlineTest, Connect) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0", {.backlog = 0});
    std::vector<TcpStream> held;
    std::error_code error;
    while (!error && held.size() < 64) {
      held.push_back(TcpStream::connect(listener.local_address(), {.deadline = 50ms}, error));
    }
    EXPECT_EQ(error, std::errc::timed_out) << error.message();
  });
}

// Go: TestAcceptTimeout, TestAcceptTimeoutMustReturn.
TEST_P(TcpDeadlineTest, Accept) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    std::error_code error;
    for (const auto timeout : {-1ms, 0ms, 2ms}) {
      listener.set_read_deadline(timeout);
      EXPECT_FALSE(listener.accept(error).is_open());
      EXPECT_EQ(error, std::errc::timed_out);
    }
    listener.set_deadline(Deadline::never());
    WaitGroup wg;
    wg.go([&] { EXPECT_TRUE(listener.accept().is_open()); });
    static_cast<void>(TcpStream::connect(listener.local_address()));
    wg.wait();
  });
}

// Go: TestAcceptTimeoutMustNotReturn, TestReadTimeoutMustNotReturn: a deadline taken back has no effect.
TEST_P(TcpDeadlineTest, ADeadlineTakenBackHasNoEffect) {
  run([] {
    Link link;
    WaitGroup wg;
    link.client.set_deadline(0ms);
    link.client.set_read_deadline(Deadline::never());
    go_until_parked(wg, [&] {
      std::array<char, 4> room;
      EXPECT_EQ(link.client.read_some(room), 2u);
    });
    std::error_code error;
    link.client.write_some("x", error);
    EXPECT_EQ(error, std::errc::timed_out);  // the write deadline is still there
    link.server.write_all("ok");
    wg.wait();
  });
}

// Go: TestReadTimeout, TestReadTimeoutMustReturn, TestReadTimeoutFluctuation.
TEST_P(TcpDeadlineTest, Read) {
  run([] {
    Link link;
    std::array<char, 4> room;
    std::error_code error;
    for (const auto timeout : {-1ms, 0ms, 1ms, 3ms}) {
      const auto begin = std::chrono::steady_clock::now();
      link.client.set_read_deadline(timeout);
      for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(link.client.read_some(room, error), 0u);
        EXPECT_EQ(error, std::errc::timed_out);
      }
      EXPECT_GE(std::chrono::steady_clock::now() - begin, timeout);
    }
    link.client.set_read_deadline(std::chrono::system_clock::now() + 1h);  // any clock
    link.server.write_all("data");
    EXPECT_EQ(link.client.read_some(room), 4u);
    try {
      link.client.set_read_deadline(1ms);
      static_cast<void>(link.client.read_some(room));
      FAIL() << "read something";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::timed_out);
    }
  });
}

// Go: TestWriteTimeout, TestWriteTimeoutMustReturn.
TEST_P(TcpDeadlineTest, Write) {
  run([] {
    Link link;
    fill(link.client);
    std::error_code error;
    const std::string much(1 << 22, 'w');
    for (const auto timeout : {-1ms, 1ms, 3ms}) {
      link.client.set_write_deadline(timeout);
      link.client.write_all(much, error);
      EXPECT_EQ(error, std::errc::timed_out);
    }
    std::array<char, 4> room;
    EXPECT_EQ(link.server.read_some(room), 4u);  // the other side and the other end are not concerned
  });
}

// Go: TestReadWriteDeadlineRace, TestConcurrentSetDeadline.
TEST_P(TcpDeadlineTest, SetFromSeveralFibers) {
  run([] {
    Link link;
    WaitGroup wg;
    for (int i = 0; i < 4; ++i) {
      wg.go([&, i] {
        for (int k = 0; k < 100; ++k) {
          link.client.set_deadline(std::chrono::microseconds(k * 5 + i));
          if (k % 4 == i) creel::yield();
        }
      });
    }
    for (int i = 0; i < 2; ++i) {
      wg.go([&, i] {
        std::array<char, 4> room;
        std::error_code error;
        for (int k = 0; k < 50; ++k) {
          if (i == 0) {
            link.client.read_some(room, error);
          } else {
            link.client.write_some("w", error);
          }
          EXPECT_TRUE(!error || error == std::errc::timed_out) << error.message();
        }
      });
    }
    wg.wait();
  });
}

// Go: TestVariousDeadlines: a server that answers for ever, a client that stops at its deadline.
TEST_P(TcpDeadlineTest, StopsASteadyStream) {
  run([] {
    Link link;
    WaitGroup wg;
    wg.go([&] {
      const std::string block(1000, 's');
      std::error_code error;
      while (!error) link.server.write_all(block, error);
    });
    link.client.set_deadline(5ms);
    std::array<char, 4096> room;
    std::error_code error;
    while (!error) link.client.read_some(room, error);
    EXPECT_EQ(error, std::errc::timed_out);
    link.client.close();
    link.server.close();
    wg.wait();
  });
}

}  // namespace
}  // namespace creel::test
