// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// TcpStream over loopback: what it carries, options, closes. Go's tests of the same behaviour are named next to each.

#include <creel/net/tcp_listener.h>
#include <creel/net/tcp_stream.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "test/net/link.h"

namespace creel::test {
namespace {

using net::Address;
using net::Errc;
using net::TcpListener;
using net::TcpStream;

class TcpStreamTest : public NetTest {};
INSTANTIATE_RUNTIME_TEST(TcpStreamTest);

TEST_P(TcpStreamTest, EchoesBytes) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    WaitGroup wg;
    wg.go([&] {
      TcpStream stream = listener.accept();
      std::array<char, 100> room;
      while (const std::size_t got = stream.read_some(room)) stream.write_all(std::span(room).first(got));
    });
    TcpStream stream = TcpStream::connect(listener.local_address());
    EXPECT_EQ(stream.peer_address(), listener.local_address());
    for (const std::string text : {"one", "two", "three"}) {
      stream.write_all(text);
      std::string answer(text.size(), ' ');
      stream.read_full(answer);
      EXPECT_EQ(answer, text);
    }
    stream.shutdown_write();
    std::array<char, 1> room;
    EXPECT_EQ(stream.read_some(room), 0u);
    wg.wait();
  });
}

TEST_P(TcpStreamTest, MovesMoreThanTheKernelHolds) {
  run([] {
    Link link;
    std::vector<std::uint32_t> numbers(1'000'000);
    std::iota(numbers.begin(), numbers.end(), 0u);
    WaitGroup wg;
    wg.go([&] {
      link.client.write_all(numbers);
      link.client.shutdown_write();
    });
    std::vector<std::uint32_t> got(numbers.size());
    link.server.read_full(got);
    EXPECT_EQ(got, numbers);
    std::error_code error;
    std::array<char, 4> room;
    EXPECT_EQ(link.server.read_full(room, error), 0u);
    EXPECT_EQ(error, Errc::unexpected_end);
    wg.wait();
  });
}

TEST_P(TcpStreamTest, VectoredIo) {
  run([] {
    Link link;
    std::vector<std::string> parts;
    std::string whole;
    for (int i = 0; i < 50; ++i) {
      whole += parts.emplace_back(static_cast<std::size_t>(i % 5), static_cast<char>('a' + i % 26));
    }
    EXPECT_EQ(link.client.write_all(parts), whole.size());  // more parts than one call takes, some empty
    std::array<char, 7> a;
    std::string b(whole.size() - 10, ' ');
    std::array<std::byte, 3> c;
    std::vector<std::span<std::byte>> into{std::as_writable_bytes(std::span(a)),
                                           std::as_writable_bytes(std::span(b)), c};
    link.server.read_full(into);
    EXPECT_EQ(std::string(a.data(), a.size()) + b + std::string(reinterpret_cast<char*>(c.data()), c.size()), whole);
    link.client.write_all("literal");  // without its terminator
    link.client.write_all("!");
    std::array<char, 8> text;
    link.server.read_full(text);
    EXPECT_EQ(std::string(text.data(), text.size()), "literal!");
  });
}

TEST_P(TcpStreamTest, EmptyBuffersDoNotBlock) {
  run([] {
    Link link;
    std::span<char> nothing;
    EXPECT_EQ(link.client.read_some(nothing), 0u);
    EXPECT_EQ(link.client.write_some(nothing), 0u);
    EXPECT_EQ(link.client.write_all(""), 0u);
  });
}

// Go: TestSendfile.
TEST_P(TcpStreamTest, SendsFiles) {
  run([] {
    const std::string path = test_directory() + "/file";
    std::string content(300'000, ' ');
    std::minstd_rand random(1);
    for (char& c : content) c = static_cast<char>('a' + random() % 26);
    std::ofstream(path) << content;
    std::FILE* file = std::fopen(path.c_str(), "r");
    ASSERT_NE(file, nullptr);
    Link link;
    WaitGroup wg;
    wg.go([&] {
      EXPECT_EQ(link.client.send_file(fileno(file), 1000, 1'000'000), content.size() - 1000);  // as far as it goes
      link.client.shutdown_write();
    });
    std::string got(content.size() - 1000, ' ');
    link.server.read_full(got);
    EXPECT_EQ(got, content.substr(1000));
    wg.wait();
    std::fclose(file);
  });
}

TEST_P(TcpStreamTest, HalfClose) {
  run([] {
    Link link;
    link.client.shutdown_write();
    std::array<char, 8> room;
    EXPECT_EQ(link.server.read_some(room), 0u);
    link.server.write_all("still");
    EXPECT_EQ(link.client.read_some(room), 5u);
    std::error_code error;
    link.client.write_some("x", error);
    EXPECT_EQ(error, std::errc::broken_pipe);  // and no SIGPIPE
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(link.client.read_some(room), 0u); });
    link.client.shutdown_read();
    wg.wait();
  });
}

TEST_P(TcpStreamTest, OptionsAreSet) {
  run([] {
    Link link;
    for (TcpStream* stream : {&link.client, &link.server}) {
      EXPECT_EQ(stream->option(IPPROTO_TCP, TCP_NODELAY), 1);
      stream->set_nodelay(false);
      EXPECT_EQ(stream->option(IPPROTO_TCP, TCP_NODELAY), 0);
    }
    EXPECT_EQ(link.server.option(SOL_SOCKET, SO_KEEPALIVE), 1);  // from the listener
    EXPECT_EQ(link.server.option(IPPROTO_TCP, TCP_KEEPIDLE), 15);
    link.client.set_keepalive({.idle = 7s, .interval = 3s, .count = 4});
    EXPECT_EQ(link.client.option(IPPROTO_TCP, TCP_KEEPIDLE), 7);
    EXPECT_EQ(link.client.option(IPPROTO_TCP, TCP_KEEPCNT), 4);
    std::error_code error;
    link.client.set_option(SOL_SOCKET, -1, 1, error);
    EXPECT_TRUE(error);
  });
}

TEST_P(TcpStreamTest, ManyConnectionsEcho) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    constexpr int kConnections = 100;
    WaitGroup servers;
    servers.go([&] {
      for (int i = 0; i < kConnections; ++i) {
        servers.go([accepted = std::make_shared<TcpStream>(listener.accept())]() mutable {
          const std::shared_ptr<TcpStream> stream = std::move(accepted);  // closed before the group is told
          std::array<char, 64> room;
          while (const std::size_t got = stream->read_some(room)) stream->write_all(std::span(room).first(got));
        });
      }
    });
    WaitGroup clients;
    const Address address = listener.local_address();
    for (int i = 0; i < kConnections; ++i) {
      clients.go([address, i] {
        TcpStream stream = TcpStream::connect(address);
        for (int k = 0; k < 20; ++k) {
          const std::array<int, 2> message{i, k};
          stream.write_all(message);
          std::array<int, 2> answer{};
          stream.read_full(answer);
          EXPECT_EQ(answer, message);
        }
      });
    }
    clients.wait();
    servers.wait();
  });
}

TEST_P(TcpStreamTest, ClosedAndMovedFromSocketsSaySo) {
  run([] {
    Link link;
    TcpStream moved = std::move(link.client);
    std::error_code error;
    std::array<char, 4> room;
    TcpStream& from = link.client;
    EXPECT_FALSE(from.is_open());
    from.read_some(room, error);
    EXPECT_EQ(error, Errc::closed);
    moved.close();
    EXPECT_FALSE(moved.is_open());
    EXPECT_EQ(moved.native_handle(), -1);
    EXPECT_EQ(moved.write_all("x", error), 0u);
    EXPECT_EQ(error, Errc::closed);
    EXPECT_EQ(error, std::errc::operation_canceled);
    moved.set_deadline(1s, error);
    EXPECT_EQ(error, Errc::closed);
    moved.close(error);
    EXPECT_EQ(error, Errc::closed);
    EXPECT_THROW(moved.close(), std::system_error);
    EXPECT_EQ(link.server.read_some(room), 0u);
  });
}

// Go: TestCloseRead, TestConcurrentPrepareAccept..., testRacyRead.
TEST_P(TcpStreamTest, CloseEndsARead) {
  run([] {
    Link link;
    WaitGroup wg;
    go_until_parked(wg, [&] {
      std::array<char, 4> room;
      std::error_code error;
      EXPECT_EQ(link.client.read_some(room, error), 0u);
      EXPECT_EQ(error, Errc::closed);
    });
    link.client.close();
    wg.wait();
  });
}

TEST_P(TcpStreamTest, CloseEndsAWrite) {
  run([] {
    Link link;
    fill(link.client);
    WaitGroup wg;
    go_until_parked(wg, [&] {
      std::error_code error;
      link.client.write_all(std::string(1 << 22, 'w'), error);
      EXPECT_EQ(error, Errc::closed);
    });
    link.client.close();
    wg.wait();
  });
}

TEST_P(TcpStreamTest, PeerResetIsAnError) {
  run([] {
    Link link;
    link.client.set_linger(0s);
    WaitGroup wg;
    go_until_parked(wg, [&] {
      std::array<char, 4> room;
      std::error_code error;
      EXPECT_EQ(link.server.read_some(room, error), 0u);
      EXPECT_EQ(error, std::errc::connection_reset) << error.message();
    });
    link.client.close();
    wg.wait();
  });
}

// Not by a signal, which would end the process.
TEST_P(TcpStreamTest, WritingToABrokenConnectionIsAnError) {
  run([] {
    char name[] = "/tmp/creel-tcp-XXXXXX";
    const int file = ::mkstemp(name);
    ASSERT_GE(file, 0);
    ::unlink(name);
    ASSERT_EQ(::write(file, "text", 4), 4);
    Link link;
    link.client.shutdown_write();
    std::error_code error;
    link.client.write_all("text", error);
    EXPECT_EQ(error, std::errc::broken_pipe);
    link.client.write_all(std::array<std::string_view, 2>{"te", "xt"}, error);
    EXPECT_EQ(error, std::errc::broken_pipe);
    EXPECT_EQ(link.client.send_file(file, 0, 4, error), 0u);
    EXPECT_EQ(error, std::errc::broken_pipe);
    ::close(file);
  });
}

// Go: TestConnAndListener and testRacyWrite: concurrent writers do not mix.
TEST_P(TcpStreamTest, ConcurrentWritersDoNotMix) {
  run([] {
    Link link;
    constexpr std::size_t kSize = 20'000;
    WaitGroup wg;
    for (char c = 'a'; c < 'e'; ++c) {
      wg.go([&, c] {
        for (int i = 0; i < 10; ++i) link.client.write_all(std::string(kSize, c));
      });
    }
    for (int i = 0; i < 40; ++i) {
      std::string block(kSize, ' ');
      link.server.read_full(block);
      EXPECT_EQ(block, std::string(kSize, block[0]));
    }
    wg.wait();
  });
}

}  // namespace
}  // namespace creel::test
