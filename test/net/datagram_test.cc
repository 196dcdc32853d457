// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// UdpSocket, UnixDatagram, UnixStream and UnixListener.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::Address;
using net::Deadline;
using net::Errc;
using net::UdpSocket;
using net::UnixDatagram;
using net::UnixListener;
using net::UnixStream;

class UdpTest : public NetTest {};

// Go: TestUDPConnSpecificMethods, TestUDPZeroBytePayload.
TEST_P(UdpTest, SendsAndReceivesWithAddresses) {
  run([] {
    UdpSocket a = UdpSocket::bind("127.0.0.1:0");
    UdpSocket b = UdpSocket::bind("127.0.0.1:0");
    WaitGroup wg;
    go_until_parked(wg, [&] {
      std::array<char, 16> room;
      Address from;
      net::Message got = b.receive_from(room, from);
      EXPECT_EQ(std::string(room.data(), got.size), "hello");
      EXPECT_EQ(from, a.local_address());
      EXPECT_EQ(b.send_to("", from), 0u);  // an empty message is one
    });
    EXPECT_EQ(a.send_to("hello", b.local_address()), 5u);
    Address from;
    std::array<char, 16> room;
    EXPECT_EQ(a.receive_from(room, from).size, 0u);
    EXPECT_EQ(from, b.local_address());
    wg.wait();
  });
}

TEST_P(UdpTest, ConnectedSockets) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1:0");
    UdpSocket client = UdpSocket::connect(server.local_address());
    client.send(std::string(100, 'x'));
    std::array<char, 10> room;
    const net::Message got = server.receive(room);
    EXPECT_EQ(got.size, 10u);
    EXPECT_TRUE(got.truncated);
    server.close();
    std::error_code error;
    client.set_deadline(10s);
    client.send("nobody", error);
    client.receive(room, error);
    EXPECT_EQ(error, std::errc::connection_refused) << error.message();
  });
}

// Go: TestReadFromTimeout, TestWriteToTimeout, TestPacketConn close cases.
TEST_P(UdpTest, DeadlineAndClose) {
  run([] {
    UdpSocket socket = UdpSocket::bind("127.0.0.1:0");
    std::array<char, 10> room;
    std::error_code error;
    Address from;
    socket.set_read_deadline(2ms);
    socket.receive_from(room, from, error);
    EXPECT_EQ(error, std::errc::timed_out);
    socket.set_write_deadline(-1ms);
    socket.send_to("x", socket.local_address(), error);
    EXPECT_EQ(error, std::errc::timed_out);
    socket.set_deadline(Deadline::never());
    WaitGroup wg;
    go_until_parked(wg, [&] {
      std::error_code failed;
      socket.receive(room, failed);
      EXPECT_EQ(failed, Errc::closed);
    });
    socket.close();
    wg.wait();
    EXPECT_THROW(socket.send("x"), std::system_error);
  });
}

INSTANTIATE_RUNTIME_TEST(UdpTest);

class UnixTest : public NetTest {
 protected:
  // Short enough for a socket's name, wherever the test folder is.
  const std::string path_ = "/tmp/creel_unix_test." + std::to_string(::getpid()) + ".sock";
};

// Go: TestUnixgramUnixConn..., TestUnixListenerUnlink.
TEST_P(UnixTest, StreamsByPath) {
  run([this] {
    for (const std::string& path : {path_, "@creel_unix_test." + std::to_string(::getpid())}) {
      UnixListener listener = UnixListener::bind(path);
      std::error_code error;
      EXPECT_FALSE(UnixListener::bind(path, error).is_open());
      EXPECT_EQ(error, std::errc::address_in_use);
      WaitGroup wg;
      wg.go([&] {
        UnixStream stream = listener.accept();
        std::array<char, 16> room;
        while (const std::size_t got = stream.read_some(room)) stream.write_all(std::span(room).first(got));
      });
      UnixStream stream = UnixStream::connect(path);
      stream.write_all("over here");
      std::array<char, 9> room;
      stream.read_full(room);
      EXPECT_EQ(std::string(room.data(), room.size()), "over here");
      stream.close();
      wg.wait();
      listener.close();
      EXPECT_NE(::access(path.c_str(), F_OK), 0);
      EXPECT_FALSE(UnixStream::connect(path, error).is_open());
      EXPECT_TRUE(error == std::errc::no_such_file_or_directory || error == std::errc::connection_refused);
    }
  });
}

TEST_P(UnixTest, ConnectWaitsForAFullQueue) {
  run([this] {
    std::error_code error;
    UnixListener listener = UnixListener::bind(path_, error, 0);
    ASSERT_FALSE(error) << error.message();
    constexpr int kClients = 6;
    WaitGroup wg;
    for (int i = 0; i < kClients; ++i) {
      wg.go([this] { EXPECT_TRUE(UnixStream::connect(path_).is_open()); });
    }
    for (int i = 0; i < kClients; ++i) EXPECT_TRUE(listener.accept().is_open());
    wg.wait();
  });
}

TEST_P(UnixTest, ListenerTakesItsFileAlong) {
  run([this] {
    {
      UnixListener listener = UnixListener::bind(path_);
      UnixListener moved = std::move(listener);
      EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
    }
    EXPECT_NE(::access(path_.c_str(), F_OK), 0);
    {
      UnixListener listener = UnixListener::bind(path_);
      listener.set_unlink_on_close(false);
    }
    EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
    ::unlink(path_.c_str());
  });
}

TEST_P(UnixTest, Datagrams) {
  run([this] {
    UnixDatagram server = UnixDatagram::bind(path_);
    UnixDatagram client = UnixDatagram::connect(path_);
    const std::string name = "@creel_unix_test.client." + std::to_string(::getpid());
    UnixDatagram named = UnixDatagram::bind(name);
    std::array<char, 16> room;
    std::string from = "?";
    client.send("one");
    EXPECT_EQ(server.receive_from(room, from).size, 3u);
    EXPECT_EQ(from, "");
    named.send_to("four", path_);
    EXPECT_EQ(server.receive_from(room, from).size, 4u);
    EXPECT_EQ(from, name);
    server.send_to("answer", from);
    EXPECT_EQ(named.receive(room).size, 6u);
    ::unlink(path_.c_str());
  });
}

TEST_P(UnixTest, Pairs) {
  run([] {
    auto [a, b] = UnixStream::pair();
    a.write_all("pair");
    std::array<char, 4> room;
    b.read_full(room);
    auto [c, d] = UnixDatagram::pair();
    c.send("gram");
    EXPECT_EQ(d.receive(room).size, 4u);
  });
}

TEST_P(UnixTest, BadPathsAreRefused) {
  run([] {
    std::error_code error;
    EXPECT_FALSE(UnixListener::bind("", error).is_open());
    EXPECT_EQ(error, std::errc::invalid_argument);
    EXPECT_FALSE(UnixStream::connect(std::string(108, 'p'), error).is_open());
    EXPECT_EQ(error, std::errc::filename_too_long);
    try {
      static_cast<void>(UnixStream::connect("/nonexistent/socket"));
      FAIL() << "connected";
    } catch (const std::system_error& e) {
      EXPECT_NE(std::string(e.what()).find("/nonexistent/socket"), std::string::npos);
    }
  });
}

INSTANTIATE_RUNTIME_TEST(UnixTest);

}  // namespace
}  // namespace creel::test
