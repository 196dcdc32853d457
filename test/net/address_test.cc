// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Address, resolve(), connecting to the first of several addresses, and Asio's view of a stream.

#include <gtest/gtest.h>
#include <netdb.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "creel/net/asio.h"
#include "creel/net/dial.h"
#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::Address;
using net::Errc;
using net::TcpListener;
using net::TcpStream;

TEST(AddressText, RoundTrips) {
  for (const char* text :
       {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[2001:db8::8]:443", "[::]:0"}) {
    EXPECT_EQ(Address::parse(text).to_string(), text);
  }
  EXPECT_EQ(Address::parse("[::ffff:1.2.3.4]:5").unmapped(), Address::v4({1, 2, 3, 4}, 5));
  EXPECT_EQ(Address::parse("1.2.3.4:5").with_port(6).port(), 6);
  EXPECT_TRUE(Address::parse("127.9.9.9:1").is_loopback());
  EXPECT_TRUE(Address::loopback_v6(1).is_loopback());
  EXPECT_TRUE(Address::any_v4(1).is_unspecified());
  EXPECT_EQ(Address::parse("[fe80::1%1]:9").host().substr(0, 8), "fe80::1%");
}

TEST(AddressText, RefusesWhatIsNone) {
  for (const char* text : {"", ":", "localhost:80", "1.2.3:80", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:+1",
                           "1.2.3.4: 1", "::1:80", "[::1]", "[::1]80",
                           "[1.2.3.4:80", "[::g]:80", "[::1%]:80", "1.2.3.4%1:80"}) {
    std::error_code error;
    static_cast<void>(Address::parse(text, error));
    EXPECT_EQ(error, Errc::bad_address) << text;
  }
  EXPECT_THROW(static_cast<void>(Address::parse("x")), std::system_error);
}

TEST(AddressText, HasAnOrder) {
  const std::set<Address> set{Address::parse("1.2.3.4:5"), Address::parse("1.2.3.4:5"), Address::parse("1.2.3.4:6"),
                              Address::parse("[::1]:5")};
  EXPECT_EQ(set.size(), 3u);
}

class ResolveTest : public NetTest {};

TEST_P(ResolveTest, LiteralsAndEmptyHosts) {
  run([] {
    EXPECT_EQ(net::resolve("1.2.3.4:5"), std::vector{Address::v4({1, 2, 3, 4}, 5)});
    EXPECT_EQ(net::resolve("[::1]:5"), std::vector{Address::loopback_v6(5)});
    EXPECT_TRUE(net::resolve(":5")[0].is_loopback());
    EXPECT_TRUE(net::resolve(":5", {.passive = true})[0].is_unspecified());
  });
}

TEST_P(ResolveTest, NamesComeFromTheSystem) {
  run([] {
    std::error_code error;
    const std::vector<Address> found = net::resolve("localhost:80", error);
    ASSERT_FALSE(error) << error.message();
    ASSERT_FALSE(found.empty());
    for (const Address& address : found) {
      EXPECT_TRUE(address.is_loopback()) << address.to_string();
      EXPECT_EQ(address.port(), 80);
    }
  });
}

TEST_P(ResolveTest, ErrorsAreReported) {
  run([] {
    net::sys::set_fault_hook([](net::sys::Call call, int) noexcept -> net::sys::Fault {
      return {.error = call == net::sys::Call::kResolve ? EMFILE : 0};
    });
    std::error_code error;
    EXPECT_TRUE(net::resolve("localhost:80", error).empty());
    EXPECT_EQ(error, std::errc::too_many_files_open);
    net::sys::set_fault_hook(nullptr);
    EXPECT_TRUE(net::resolve("localhost:no-such-service", error).empty());
    EXPECT_EQ(error.category(), net::resolve_category()) << error.message();
    EXPECT_FALSE(error.message().empty());
  });
}

// Go: TestLookup...Timeout: the caller leaves, the look-up may go on.
TEST_P(ResolveTest, TheDeadlineEndsTheWait) {
  run([] {
    std::error_code error;
    static_cast<void>(net::resolve("localhost:80", {.deadline = sched::Clock::now() - 1s}, error));
    EXPECT_TRUE(!error || error == std::errc::timed_out) << error.message();
    static_cast<void>(net::resolve("localhost:80", error));
    EXPECT_FALSE(error) << error.message();
    await([] { return fiber_count() == 1; });  // the look-up that nobody waits for has ended: nothing of it is abandoned
  });
}

INSTANTIATE_RUNTIME_TEST(ResolveTest);

class DialTest : public NetTest {
 protected:
  static net::detail::Descriptor* dial(std::vector<Address> addresses, net::detail::DialOptions options,
                                       std::error_code& error) {
    return net::detail::dial_tcp(addresses, options, error);
  }
  // An address at which nobody answers: the queue of its listener is full.
  struct Silent {
    TcpListener listener = TcpListener::bind("127.0.0.1:0", {.backlog = 0});
    std::vector<TcpStream> held;
    Silent() {
      std::error_code error;
      while (!error && held.size() < 64) {
        held.push_back(TcpStream::connect(listener.local_address(), {.deadline = 30ms}, error));
      }
    }
  };
  static Address refused() {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    const Address address = listener.local_address();
    listener.close();
    return address;
  }
};

TEST_P(DialTest, TriesAddressesInTurn) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    std::error_code error;
    net::detail::Descriptor* d = dial({refused(), listener.local_address()}, {}, error);
    ASSERT_NE(d, nullptr) << error.message();
    d->drop_handle();
    EXPECT_EQ(dial({refused(), refused()}, {}, error), nullptr);
    EXPECT_EQ(error, std::errc::connection_refused);
    EXPECT_EQ(dial({}, {}, error), nullptr);
    EXPECT_EQ(error, Errc::no_address);
  });
}

// Go: TestDialParallel. The other family here is v4 in its v6 form, so no IPv6 is needed.
TEST_P(DialTest, TheOtherFamilyIsTriedBeside) {
  run([] {
    std::error_code error;
    TcpListener v6 = TcpListener::bind(Address::any_v6(0), {}, error);
    if (error) GTEST_SKIP() << "this machine has no IPv6: " << error.message();
    const Address mapped = Address::parse("[::ffff:127.0.0.1]:1").with_port(v6.local_address().port());
    {
      Silent silent;
      net::detail::Descriptor* d = dial({silent.listener.local_address(), mapped}, {.fallback_delay = 2ms}, error);
      ASSERT_NE(d, nullptr) << error.message();
      d->drop_handle();
    }
    // A first family that fails does not wait for the delay.
    net::detail::Descriptor* d = dial({refused(), mapped}, {.fallback_delay = std::chrono::hours(1)}, error);
    ASSERT_NE(d, nullptr) << error.message();
    d->drop_handle();
    // Both fail: the error is the first one's.
    v6.close();
    EXPECT_EQ(dial({refused(), mapped}, {.fallback_delay = 1ms}, error), nullptr);
    EXPECT_EQ(error, std::errc::connection_refused);
  });
}

// Go: TestDialerPartialDeadline: one silent address does not take the time of the next.
TEST_P(DialTest, TheDeadlineIsKept) {
  run([] {
    Silent silent;
    std::error_code error;
    const auto begin = sched::Clock::now();
    const Address address = silent.listener.local_address();
    EXPECT_EQ(dial({address, address}, {.deadline = begin + 5ms}, error), nullptr);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_GE(sched::Clock::now(), begin + 5ms);
  });
}

TEST_P(DialTest, AsioReadsAndWrites) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    WaitGroup wg;
    wg.go([&] {
      TcpStream server = listener.accept();
      std::string text(5, ' ');
      boost::asio::read(server, boost::asio::buffer(text));
      const std::array<boost::asio::const_buffer, 2> answer{boost::asio::buffer(text), boost::asio::buffer("!", 1)};
      boost::asio::write(server, answer);
    });
    TcpStream client = TcpStream::connect(listener.local_address());
    boost::system::error_code error;
    EXPECT_EQ(boost::asio::write(client, boost::asio::buffer("hello", 5), error), 5u);
    std::string answer(10, ' ');
    EXPECT_EQ(boost::asio::read(client, boost::asio::buffer(answer), error), 6u);
    EXPECT_EQ(error, boost::asio::error::eof);
    EXPECT_EQ(answer.substr(0, 6), "hello!");
    wg.wait();
    client.set_deadline(-1s);
    char byte = 0;
    EXPECT_EQ(client.read_some(boost::asio::buffer(&byte, 1), error), 0u);
    EXPECT_EQ(error, boost::system::errc::timed_out);
    client.close();
    client.read_some(boost::asio::buffer(&byte, 1), error);
    EXPECT_EQ(error, boost::asio::error::operation_aborted);
  });
}

INSTANTIATE_RUNTIME_TEST(DialTest);

}  // namespace
}  // namespace creel::test
