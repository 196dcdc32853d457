// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The calls of net/ in their form with a context. Go's tests of the same behaviour are named next to each.

#include <creel/creel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "creel/net/epoll_poller.h"
#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::TcpListener;
using net::TcpStream;
using net::UdpSocket;
using net::UnixListener;
using net::UnixStream;

class NetContextTest : public NetTest {};
INSTANTIATE_RUNTIME_TEST(NetContextTest);

// `call(context, error)` waits: it must end with the context, in each of the ways a context ends.
void expect_ends_with_context(const std::function<void(const Context&, std::error_code&)>& call) {
  auto [context, cancel] = Context::background().with_cancel();
  WaitGroup wg;
  std::error_code error;
  go_until_parked(wg, [&, given = context] { call(given, error); });
  cancel();
  wg.wait();
  EXPECT_EQ(error, std::errc::operation_canceled) << error.message();
  EXPECT_NE(error, net::Errc::closed);
  error.clear();
  call(context, error);
  EXPECT_EQ(error, std::errc::operation_canceled) << "a context that has ended: " << error.message();
  call(Context::background().with_timeout(1ms), error);
  EXPECT_EQ(error, std::errc::timed_out) << error.message();
}

TEST_P(NetContextTest, Read) {
  run([] {
    auto [stream, peer] = UnixStream::pair();
    std::array<char, 4> room;
    expect_ends_with_context(
        [&](const Context& c, std::error_code& e) { EXPECT_EQ(stream.read_some(room, c, e), 0u); });
    expect_ends_with_context(
        [&](const Context& c, std::error_code& e) { EXPECT_EQ(stream.read_full(room, c, e), 0u); });
    // What a context ended says nothing about the next call, and data win over a context that has ended.
    peer.write_all("abcd");
    auto [context, cancel] = Context::background().with_cancel();
    cancel();
    EXPECT_EQ(stream.read_some(room, context), 4u);
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(stream.read_some(room, Context::background().with_timeout(1h)), 1u); });
    peer.write_all("e");
    wg.wait();
  });
}

TEST_P(NetContextTest, Write) {
  run([] {
    auto [stream, peer] = UnixStream::pair();
    const std::string text(1 << 20, 'w');
    std::error_code error;
    EXPECT_GT(stream.write_all(text, Context::background().with_timeout(1ms), error), 0u);  // as much as there is room
    EXPECT_EQ(error, std::errc::timed_out);
    expect_ends_with_context(
        [&](const Context& c, std::error_code& e) { EXPECT_EQ(stream.write_some(text, c, e), 0u); });
    expect_ends_with_context(
        [&](const Context& c, std::error_code& e) { EXPECT_EQ(stream.write_all(text, c, e), 0u); });
  });
}

// A deadline of the socket and a context side by side: the first counts.
TEST_P(NetContextTest, DeadlineBesideContext) {
  run([] {
    auto [stream, peer] = UnixStream::pair();
    std::array<char, 4> room;
    std::error_code error;
    stream.set_read_deadline(1ms);
    auto [context, cancel] = Context::background().with_cancel();
    stream.read_some(room, context, error);
    EXPECT_EQ(error, std::errc::timed_out);
    stream.set_read_deadline(net::Deadline::never());
    WaitGroup wg;
    go_until_parked(wg, [&, given = context] {
      stream.read_some(room, given, error);
      EXPECT_EQ(error, net::Errc::closed);
    });
    stream.close();
    wg.wait();
  });
}

TEST_P(NetContextTest, CancelAgainstData) {
  run([] {
    auto [stream, peer] = UnixStream::pair();
    std::size_t sent = 0;
    std::size_t got = 0;
    for (int i = 0; i < 200; ++i) {
      auto [context, cancel] = Context::background().with_cancel();
      WaitGroup wg;
      wg.go([&, given = context] {
        std::array<char, 1> room;
        std::error_code error;
        got += stream.read_some(room, given, error);
      });
      wg.go([&, cancel = cancel] { cancel(); });
      wg.go([&] { sent += peer.write_some("x"); });
      wg.wait();
    }
    // Not a byte is lost: what a cancelled read left there is read later.
    peer.shutdown_write();
    std::array<char, 64> room;
    while (const std::size_t more = stream.read_some(room)) got += more;
    EXPECT_EQ(got, sent);
  });
}

TEST_P(NetContextTest, Accept) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    expect_ends_with_context(
        [&](const Context& c, std::error_code& e) { EXPECT_FALSE(listener.accept(c, e).is_open()); });
    const TcpStream client = TcpStream::connect(listener.local_address(), Context::background().with_timeout(1h));
    EXPECT_TRUE(listener.accept(Context::background().with_timeout(1h)).is_open());
    UnixListener local = UnixListener::bind("@creel-context-test-" + std::to_string(::getpid()));
    expect_ends_with_context([&](const Context& c, std::error_code& e) { EXPECT_FALSE(local.accept(c, e).is_open()); });
  });
}

// Go: TestDialContext, TestDialerPartialDeadline, TestCancelAfterDial, TestDialWithNonZeroDeadline.
TEST_P(NetContextTest, Connect) {
  run([] {
    const net::ListenOptions narrow{.backlog = 0};
    TcpListener listener = TcpListener::bind("127.0.0.1:0", narrow);
    // The kernel answers until the queue is full; from then on an attempt gets no answer.
    std::vector<TcpStream> held;
    for (int unanswered = 0; unanswered < 2;) {  // one may be the machine's fault
      std::error_code error;
      held.push_back(TcpStream::connect(listener.local_address(), Context::background().with_timeout(30ms), error));
      if (!error) continue;
      EXPECT_EQ(error, std::errc::timed_out);
      ++unanswered;
    }
    expect_ends_with_context([&](const Context& c, std::error_code& e) {
      EXPECT_FALSE(TcpStream::connect(listener.local_address(), c, e).is_open());
    });
    expect_ends_with_context([&](const Context& c, std::error_code& e) {
      EXPECT_FALSE(TcpStream::connect(listener.local_address().to_string(), c, e).is_open());
    });
  });
}

// Go: TestLookupContextCancel.
TEST_P(NetContextTest, Resolve) {
  run([] {
    auto [context, cancel] = Context::background().with_cancel();
    cancel();
    std::error_code error;
    Semaphore& permits = net::EpollPoller::current("a test").resolver_permits();
    permits.acquire(32);  // no look-up gets done
    // A literal needs no waiting; a name is looked up by another fiber.
    EXPECT_EQ(net::resolve("127.0.0.1:80", context).size(), 1u);
    EXPECT_TRUE(net::resolve("localhost:80", context, error).empty());
    EXPECT_EQ(error, std::errc::operation_canceled);
    permits.release(32);
    await([] { return fiber_count() == 1; });  // the look-up that nobody waits for has ended: nothing is abandoned
  });
}

TEST_P(NetContextTest, Datagrams) {
  run([] {
    UdpSocket socket = UdpSocket::bind("127.0.0.1:0");
    std::array<char, 4> room;
    net::Address from;
    expect_ends_with_context(
        [&](const Context& c, std::error_code& e) { EXPECT_EQ(socket.receive_from(room, from, c, e).size, 0u); });
    expect_ends_with_context(
        [&](const Context& c, std::error_code& e) { EXPECT_EQ(socket.receive(room, c, e).size, 0u); });
    const Context open = Context::background().with_timeout(1h);
    EXPECT_EQ(socket.send_to("abc", socket.local_address(), open), 3u);
    EXPECT_EQ(socket.receive_from(room, from, open).size, 3u);
  });
}

}  // namespace
}  // namespace creel::test
