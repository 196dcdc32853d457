// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// TcpListener and TcpStream over loopback. Go's tests of the same behaviour are named next to each.

#include <creel/net/tcp_listener.h>
#include <creel/net/tcp_stream.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::Address;
using net::Deadline;
using net::Errc;
using net::TcpListener;
using net::TcpStream;
using net::sys::Call;
using net::sys::Fault;

// The two ends of a connection.
struct Link {
  Link() {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    WaitGroup wg;
    wg.go([&] { server = listener.accept(); });
    client = TcpStream::connect(listener.local_address());
    wg.wait();
  }
  TcpStream client;
  TcpStream server;
};

// Writes until the kernel takes no more.
void fill(TcpStream& stream) {
  const std::string text(1 << 16, 'f');
  std::error_code error;
  stream.set_write_deadline(0ms);
  stream.set_write_deadline(Deadline::never());
  while (::send(stream.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
}

class TcpTest : public NetTest {};

TEST_P(TcpTest, EchoesBytes) {
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

TEST_P(TcpTest, MovesMoreThanTheKernelHolds) {
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

TEST_P(TcpTest, VectoredIo) {
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

TEST_P(TcpTest, EmptyBuffersDoNotBlock) {
  run([] {
    Link link;
    std::span<char> nothing;
    EXPECT_EQ(link.client.read_some(nothing), 0u);
    EXPECT_EQ(link.client.write_some(nothing), 0u);
    EXPECT_EQ(link.client.write_all(""), 0u);
  });
}

// Go: TestSendfile.
TEST_P(TcpTest, SendsFiles) {
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

TEST_P(TcpTest, HalfClose) {
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

TEST_P(TcpTest, OptionsAreSet) {
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

TEST_P(TcpTest, SeveralListenersShareAPort) {
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

TEST_P(TcpTest, ListensAtV6AndEverywhere) {
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

TEST_P(TcpTest, ManyAcceptors) {
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

TEST_P(TcpTest, ManyConnectionsEcho) {
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

// --- Errors and closes.

TEST_P(TcpTest, NobodyListens) {
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

TEST_P(TcpTest, BadAddressesAreNamed) {
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

TEST_P(TcpTest, ClosedAndMovedFromSocketsSaySo) {
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
TEST_P(TcpTest, CloseEndsARead) {
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

TEST_P(TcpTest, CloseEndsAWrite) {
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

// Go: TestAcceptIgnoreAbortedConnRequest is below; this is the Close half of TestListenerClose.
TEST_P(TcpTest, CloseEndsAnAccept) {
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

TEST_P(TcpTest, PeerResetIsAnError) {
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

// Go: TestConnAndListener and testRacyWrite: concurrent writers do not mix.
// Not by a signal, which would end the process.
TEST_P(TcpTest, WritingToABrokenConnectionIsAnError) {
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

TEST_P(TcpTest, ConcurrentWritersDoNotMix) {
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

INSTANTIATE_RUNTIME_TEST(TcpTest);

// --- Deadlines: the behaviour of Go's net/timeout_test.go.

class TcpDeadlineTest : public NetTest {};

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

INSTANTIATE_RUNTIME_TEST(TcpDeadlineTest);

// --- Faults of the system.

std::atomic<Call> fault_call{Call::kRead};
std::atomic<int> fault_error{0};
std::atomic<int> fault_count{0};
std::atomic<std::size_t> fault_limit{0};

// The next `count` calls of this kind fail with `error`, or move at most `limit` bytes (0: no limit).
void inject(Call call, int error, int count, std::size_t limit = 0) {
  fault_call = call;
  fault_error = error;
  fault_limit = limit;
  fault_count = count;
  net::sys::set_fault_hook([](Call asked, int) noexcept -> Fault {
    if (asked != fault_call || fault_count.fetch_sub(1) <= 0) return {};
    Fault fault{.error = fault_error};
    if (fault_limit != 0) fault.limit = fault_limit;
    return fault;
  });
}

class TcpFaultTest : public NetTest {};

TEST_P(TcpFaultTest, InterruptedCallsAreRepeated) {
  run([] {
    for (const Call call : {Call::kSocket, Call::kBind, Call::kListen, Call::kAccept, Call::kConnect, Call::kRead,
                            Call::kWrite, Call::kSetOption,
                            Call::kGetOption, Call::kShutdown, Call::kEpollAdd, Call::kEpollWait}) {
      inject(call, EINTR, 2);
      Link link;
      link.client.write_all("hello");
      std::array<char, 5> room;
      link.server.read_full(room);
      link.client.shutdown_write();
      EXPECT_EQ(link.server.read_some(room), 0u);
    }
  });
}

TEST_P(TcpFaultTest, ShortReadsAndWrites) {
  run([] {
    Link link;
    std::string text(1000, ' ');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
    for (const Call call : {Call::kRead, Call::kWrite, Call::kSendFile}) {
      inject(call, 0, 1'000'000, 3);
      const std::string_view view = text;
      const std::vector<std::string_view> parts{view.substr(0, 10), view.substr(10)};
      link.client.write_all(parts);
      std::string first(333, ' ');
      std::string second(667, ' ');
      std::array<std::span<char>, 2> into{first, second};
      link.server.read_full(into);
      EXPECT_EQ(first + second, text);
    }
  });
}

TEST_P(TcpFaultTest, ErrorsReachTheCaller) {
  run([] {
    for (const Call call : {Call::kSocket, Call::kConnect, Call::kSetOption, Call::kEpollAdd}) {
      TcpListener listener = TcpListener::bind("127.0.0.1:0");
      inject(call, EACCES, 1);
      std::error_code error;
      EXPECT_FALSE(TcpStream::connect(listener.local_address(), error).is_open());
      EXPECT_EQ(error, std::errc::permission_denied);
    }
    for (const Call call : {Call::kSocket, Call::kBind, Call::kListen, Call::kSetOption, Call::kEpollAdd}) {
      inject(call, EMFILE, 1);
      std::error_code error;
      EXPECT_FALSE(TcpListener::bind("127.0.0.1:0", error).is_open());
      EXPECT_EQ(error, std::errc::too_many_files_open);
    }
    Link link;
    inject(Call::kRead, EIO, 1);
    std::array<char, 4> room;
    EXPECT_THROW(static_cast<void>(link.client.read_some(room)), std::system_error);
    inject(Call::kWrite, EIO, 1);
    EXPECT_THROW(link.client.write_all("x"), std::system_error);
    inject(Call::kClose, EIO, 1);
    EXPECT_THROW(link.client.close(), std::system_error);
    EXPECT_FALSE(link.client.is_open());  // closed all the same
  });
}

// Go: TestAcceptIgnoreAbortedConnRequest.
TEST_P(TcpFaultTest, AcceptPassesOverAbortedConnections) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    for (const int error : {ECONNABORTED, EPROTO}) {
      TcpStream client = TcpStream::connect(listener.local_address());
      inject(Call::kAccept, error, 3);
      EXPECT_TRUE(listener.accept().is_open());
    }
  });
}

TEST_P(TcpFaultTest, AcceptSitsOutWantOfFiles) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    TcpStream client = TcpStream::connect(listener.local_address());
    inject(Call::kAccept, EMFILE, 3);
    EXPECT_TRUE(listener.accept().is_open());  // after some 35 ms
    // Its deadline and its close end the wait.
    inject(Call::kAccept, ENFILE, 1'000'000);
    std::error_code error;
    listener.set_deadline(10ms);
    EXPECT_FALSE(listener.accept(error).is_open());
    EXPECT_EQ(error, std::errc::timed_out);
    listener.set_deadline(Deadline::never());
    WaitGroup wg;
    go_until_parked(wg, [&] {
      std::error_code failed;
      EXPECT_FALSE(listener.accept(failed).is_open());
      EXPECT_EQ(failed, Errc::closed);
    });
    listener.close();
    wg.wait();
  });
}

// The real thing: the process may open no more files, then may again.
TEST_P(TcpFaultTest, AcceptRecoversFromARealWantOfFiles) {
#if defined(CREEL_ASAN)
  GTEST_SKIP() << "the undefined behaviour sanitizer itself needs a descriptor to look at an object";
#endif
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    TcpStream client = TcpStream::connect(listener.local_address());
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlimit none = limit;
    none.rlim_cur = 0;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_TRUE(listener.accept().is_open()); });
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    wg.wait();
  });
}

INSTANTIATE_RUNTIME_TEST(TcpFaultTest);

// --- The end.

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
