// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A read that took all there was makes the next one wait for an event without asking the kernel (net/descriptor.h,
// invariant 9): what comes before the wait, with the data, or without an event of its own is not missed.
//
// The other ends are plain sockets of threads of their own, so that they race with the wait on any number of processors.
// Nobody has a deadline unless it is the matter: a wake-up that is lost is for good, and the watchdog tells.

#include <creel/net/tcp_listener.h>
#include <creel/net/tcp_stream.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::Address;
using net::TcpListener;
using net::TcpStream;

#if defined(CREEL_TSAN) || defined(CREEL_ASAN)
constexpr int kRounds = 300;
constexpr int kConnections = 60;
#else
constexpr int kRounds = 1000;
constexpr int kConnections = 300;
#endif

// A blocking socket that the runtime knows nothing of.
class Peer {
 public:
  explicit Peer(const Address& address) : fd_(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(::connect(fd_, address.data(), address.size()), 0) << std::generic_category().message(errno);
  }
  ~Peer() { ::close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  void send(std::string_view text, int flags = 0) const {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), flags | MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  void receive(std::size_t size) const {
    std::string room(size, ' ');
    EXPECT_EQ(::recv(fd_, room.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
  }
  void end() const { ::shutdown(fd_, SHUT_WR); }
  void reset_at_close() const {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    EXPECT_EQ(::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  }

 private:
  int fd_;
};

// A while that ends before, in and after what the other side does between two waits.
void pass_time(std::minstd_rand& random) {
  for (std::atomic<unsigned> left = static_cast<unsigned>(random()) % 4000; left > 0;) --left;
}

class ReadWaitTest : public NetTest {
 protected:
  // Runs `serve(stream)` on a fiber, `talk(peer, random)` on a thread, for each of `connections`, `together` at once.
  template <typename Serve, typename Talk>
  void connections(int count, int together, Serve serve, Talk talk) {
    run([&] {
      TcpListener listener = TcpListener::bind("127.0.0.1:0");
      const Address address = listener.local_address();
      std::vector<std::thread> threads;
      for (int t = 0; t < together; ++t) {
        threads.emplace_back([&, t] {
          std::minstd_rand random(static_cast<unsigned>(t + 1));
          for (int i = t; i < count; i += together) {
            const Peer peer(address);
            talk(peer, random);
          }
        });
      }
      WaitGroup wg;
      for (int i = 0; i < count; ++i) {
        wg.go([&serve, stream = listener.accept()]() mutable { serve(stream); });
      }
      wg.wait();
      creel::blocking([&] {
        for (std::thread& thread : threads) thread.join();
      });
    });
  }
};

// Bytes read until the end; every one is answered.
std::size_t echo(TcpStream& stream, std::error_code& error) {
  std::array<char, 100> room;
  std::size_t total = 0;
  while (const std::size_t got = stream.read_some(room, error)) {
    total += got;
    stream.write_all(std::span(room).first(got), error);
    if (error) break;
  }
  return total;
}

TEST_P(ReadWaitTest, ASenderRacesWithTheWait) {
  connections(
      3, 3,
      [](TcpStream& stream) {
        std::error_code error;
        EXPECT_EQ(echo(stream, error), 3u * kRounds);
        EXPECT_FALSE(error) << error.message();
      },
      [](const Peer& peer, std::minstd_rand& random) {
        for (int round = 0; round < kRounds; ++round) {
          peer.send("a");
          pass_time(random);
          peer.send("b");
          if (random() % 2 == 0) pass_time(random);
          peer.send("c");
          peer.receive(3);
          pass_time(random);
        }
        peer.end();
      });
}

// Reads by `limited(stream, room, time, error)`, now and again without, until the end; answers each byte. Returns how many.
template <typename F>
std::size_t read_in_little_time(TcpStream& stream, F limited) {
  std::minstd_rand random(1);
  std::array<char, 100> room;  // more than comes
  std::size_t total = 0;
  std::error_code error;
  for (bool patient = false;; patient = error && random() % 2 == 0) {
    const std::chrono::microseconds time(random() % 100);
    // If the data were lost there is no other way out.
    const std::size_t got = patient ? stream.read_some(room, error) : limited(stream, room, time, error);
    if (error) {
      EXPECT_EQ(error, std::errc::timed_out) << error.message();
      stream.set_read_deadline(net::Deadline::never());
      continue;
    }
    if (got == 0) return total;
    stream.write_all(std::span(room).first(got));
    total += got;
  }
}

void send_one_by_one(const Peer& peer, std::minstd_rand& random) {
  for (int round = 0; round < kRounds; ++round) {
    peer.send("a");
    peer.receive(1);
    pass_time(random);
  }
  peer.end();
}

// A deadline or context that ends while data come neither swallows them nor keeps them from being told.
TEST_P(ReadWaitTest, DeadlinesRaceWithData) {
  connections(
      2, 2,
      [](TcpStream& stream) {
        const auto read = [](TcpStream& from, std::span<char> room, auto time, std::error_code& error) {
          from.set_read_deadline(time);
          const std::size_t got = from.read_some(room, error);
          if (!error) from.set_read_deadline(net::Deadline::never());
          return got;
        };
        EXPECT_EQ(read_in_little_time(stream, read), std::size_t{kRounds});
      },
      send_one_by_one);
}

TEST_P(ReadWaitTest, ContextsRaceWithData) {
  connections(
      2, 2,
      [](TcpStream& stream) {
        const auto read = [](TcpStream& from, std::span<char> room, auto time, std::error_code& error) {
          return from.read_some(room, Context::background().with_timeout(time), error);
        };
        EXPECT_EQ(read_in_little_time(stream, read), std::size_t{kRounds});
      },
      send_one_by_one);
}

TEST_P(ReadWaitTest, TheEndRacesWithData) {
  connections(
      kConnections, 3,
      [](TcpStream& stream) {
        std::array<char, 100> room;
        std::size_t total = 0;
        while (const std::size_t got = stream.read_some(room)) total += got;
        EXPECT_EQ(total, 6u);
        EXPECT_EQ(stream.read_some(room), 0u) << "and again";
      },
      [](const Peer& peer, std::minstd_rand& random) {
        peer.send("one");
        if (random() % 2 == 0) pass_time(random);
        peer.send("two");
        if (random() % 2 == 0) pass_time(random);
        peer.end();
      });
}

TEST_P(ReadWaitTest, AResetRacesWithData) {
  connections(
      kConnections, 3,
      [](TcpStream& stream) {
        std::array<char, 100> room;
        std::error_code error;
        while (!error) {
          if (stream.read_some(room, error) != 0) continue;
          EXPECT_EQ(error, std::errc::connection_reset) << error.message();
        }
      },
      [](const Peer& peer, std::minstd_rand& random) {
        peer.reset_at_close();
        peer.send("one");
        if (random() % 2 == 0) pass_time(random);
      });
}

// Urgent data divide what one read gives, and are not in it.
TEST_P(ReadWaitTest, UrgentDataRaceWithOthers) {
  connections(
      kConnections, 3,
      [](TcpStream& stream) {
        std::error_code error;
        EXPECT_EQ(echo(stream, error), 8u);
        EXPECT_FALSE(error) << error.message();
      },
      [](const Peer& peer, std::minstd_rand& random) {
        peer.send("one");
        if (random() % 2 == 0) pass_time(random);
        peer.send("two!", MSG_OOB);  // the last byte
        if (random() % 2 == 0) pass_time(random);
        peer.send("34");
        peer.receive(8);  // before the end, which would wake the reader
      });
}

// Data that were there when the read was called, and its deadline had not passed, are read, though nobody has polled.
TEST_P(ReadWaitTest, DataThatAreThereWinOverALaterDeadline) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    int in_time = 0;
    for (int i = 0; i < 20; ++i) {
      const Peer peer(listener.local_address());
      TcpStream stream = listener.accept();
      std::array<char, 100> room;
      peer.send("one");
      EXPECT_EQ(stream.read_some(room), 3u);
      peer.send("two");
      for (int unsent = 1; unsent > 0;) ASSERT_EQ(::ioctl(peer.fd(), SIOCOUTQ, &unsent), 0);  // until it is there
      WaitGroup busy;
      for (std::uint32_t k = 0; k < procs(); ++k) {
        busy.go([] {
          for (const auto end = std::chrono::steady_clock::now() + 2ms; std::chrono::steady_clock::now() < end;) {
          }
        });
      }
      stream.set_read_deadline(500us);
      std::error_code error;
      const std::size_t got = stream.read_some(room, error);
      if (error) {  // this thread lost its CPU, and the deadline passed before the call
        EXPECT_EQ(error, std::errc::timed_out) << error.message();
      } else {
        EXPECT_EQ(got, 3u);
        ++in_time;
      }
      busy.wait();
    }
    EXPECT_GT(in_time, 0);
  });
}

INSTANTIATE_RUNTIME_TEST(ReadWaitTest);

}  // namespace
}  // namespace creel::test
