// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The poller and its descriptors, on socket pairs: readiness, deadlines, close, reuse.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "creel/net/epoll_poller.h"
#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::EpollPoller;
using net::detail::Descriptor;
using net::detail::kClosed;
using net::detail::retry_ready;
using net::detail::Side;
using net::detail::SideGuard;
using sched::Clock;

// One end is a descriptor of the runtime, the other a plain non-blocking file.
class Pair {
 public:
  Pair() {
    EXPECT_EQ(net::sys::socket_pair(AF_UNIX, SOCK_STREAM, fds_.data()), 0);
    std::error_code error;
    descriptor_ = EpollPoller::current("a test").open(fds_[0], error);
    EXPECT_FALSE(error) << error.message();
  }
  ~Pair() {
    descriptor_->drop_handle();
    ::close(fds_[1]);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  Descriptor* operator->() { return descriptor_; }
  Descriptor& operator*() { return *descriptor_; }
  [[nodiscard]] int peer() const { return fds_[1]; }

  // One byte, or -error.
  ssize_t read() {
    SideGuard guard(*descriptor_, Side::kRead);
    if (guard.error() != 0) return -guard.error();
    char byte = 0;
    const ssize_t got =
        retry_ready(*descriptor_, Side::kRead, [&] { return net::sys::recv(descriptor_->fd(), &byte, 1, 0); });
    return got == 1 ? byte : got;
  }
  // Bytes written, or -error.
  ssize_t write(const std::string& text) {
    SideGuard guard(*descriptor_, Side::kWrite);
    if (guard.error() != 0) return -guard.error();
    return retry_ready(*descriptor_, Side::kWrite,
                       [&] { return net::sys::send(descriptor_->fd(), text.data(), text.size(), 0); });
  }
  // Fills the way to the peer.
  void fill() {
    const std::string text(4096, 'x');
    while (net::sys::send(descriptor_->fd(), text.data(), text.size(), 0) > 0) {
    }
  }
  void feed(char byte = 'a') { EXPECT_EQ(::write(fds_[1], &byte, 1), 1); }
  void drain() {
    std::array<char, 65536> room;
    while (::read(fds_[1], room.data(), room.size()) > 0) {
    }
  }

 private:
  std::array<int, 2> fds_{-1, -1};
  Descriptor* descriptor_ = nullptr;
};

class DescriptorTest : public NetTest {};

TEST_P(DescriptorTest, ReadParksUntilDataCome) {
  run([] {
    Pair pair;
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), 'a'); });
    pair.feed();
    wg.wait();
  });
}

TEST_P(DescriptorTest, ReadTriesBeforeItParks) {
  run([] {
    Pair pair;
    pair.feed('x');
    pair.feed('y');
    EXPECT_EQ(pair.read(), 'x');
    EXPECT_EQ(pair.read(), 'y');
  });
}

TEST_P(DescriptorTest, WriteParksUntilThereIsRoom) {
  run([] {
    Pair pair;
    pair.fill();
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pair.write("b"), 1); });
    pair.drain();
    wg.wait();
  });
}

TEST_P(DescriptorTest, SidesWaitIndependently) {
  run([] {
    Pair pair;
    pair.fill();
    WaitGroup readers;
    WaitGroup writers;
    go_until_parked(readers, [&] { EXPECT_EQ(pair.read(), 'r'); });
    go_until_parked(writers, [&] { EXPECT_EQ(pair.write("w"), 1); });
    pair.feed('r');
    readers.wait();
    pair.drain();
    writers.wait();
  });
}

TEST_P(DescriptorTest, PeerGoneWakesReader) {
  run([] {
    Pair pair;
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), 0); });
    ::shutdown(pair.peer(), SHUT_WR);
    wg.wait();
  });
}

TEST_P(DescriptorTest, CloseWakesBothSides) {
  run([] {
    Pair pair;
    pair.fill();
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), -kClosed); });
    go_until_parked(wg, [&] { EXPECT_EQ(pair.write("w"), -kClosed); });
    EXPECT_EQ(pair->close(), 0);
    EXPECT_EQ(pair->fd(), -1);  // close() waits for those inside
    wg.wait();
    EXPECT_EQ(pair->close(), kClosed);
    EXPECT_EQ(pair.read(), -kClosed);
    EXPECT_EQ(pair->set_deadline(true, true, Clock::now() + 1s), kClosed);
  });
}

TEST_P(DescriptorTest, ReadersQueueUp) {
  run([] {
    Pair pair;
    WaitGroup wg;
    std::atomic<int> sum{0};
    go_until_parked(wg, [&] { sum += static_cast<int>(pair.read()); });
    for (int i = 0; i < 3; ++i) {
      go_until_parked(wg, [&] { sum += static_cast<int>(pair.read()); });
    }
    for (char byte = 1; byte <= 4; ++byte) pair.feed(byte);
    wg.wait();
    EXPECT_EQ(sum.load(), 10);
  });
}

// Go: TestMutexCloseUnblock (internal/poll).
TEST_P(DescriptorTest, CloseWakesQueuedReaders) {
  run([] {
    Pair pair;
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), -kClosed); });
    for (int i = 0; i < 3; ++i) {
      go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), -kClosed); });
    }
    EXPECT_EQ(pair->close(), 0);
    wg.wait();
  });
}

TEST_P(DescriptorTest, DeadlineEndsAWait) {
  run([] {
    Pair pair;
    const auto deadline = Clock::now() + 2ms;
    EXPECT_EQ(pair->set_deadline(true, false, deadline), 0);
    EXPECT_EQ(pair.read(), -ETIMEDOUT);
    EXPECT_GE(Clock::now(), deadline);
    EXPECT_EQ(pair.read(), -ETIMEDOUT);  // until it is set anew
    EXPECT_EQ(pair.write("w"), 1);       // the other side has none
    pair.feed();
    EXPECT_EQ(pair.read(), -ETIMEDOUT);  // even with data there
    EXPECT_EQ(pair->set_deadline(true, true, Clock::time_point::max()), 0);
    EXPECT_EQ(pair.read(), 'a');
  });
}

TEST_P(DescriptorTest, DeadlineConcernsWhatWaitsAlready) {
  run([] {
    Pair pair;
    pair.fill();
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), -ETIMEDOUT); });
    go_until_parked(wg, [&] { EXPECT_EQ(pair.write("w"), -ETIMEDOUT); });
    EXPECT_EQ(pair->set_deadline(true, true, Clock::now() + 1ms), 0);  // one timer for both
    wg.wait();
  });
}

TEST_P(DescriptorTest, DeadlineInThePastWakesAtOnce) {
  run([] {
    Pair pair;
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), -ETIMEDOUT); });
    EXPECT_EQ(pair->set_deadline(true, false, Clock::now() - 1s), 0);
    wg.wait();
  });
}

TEST_P(DescriptorTest, DeadlineMovedAwayDoesNotExpire) {
  run([] {
    Pair pair;
    WaitGroup wg;
    EXPECT_EQ(pair->set_deadline(true, true, Clock::now() + 1h), 0);
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), 'a'); });
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(pair->set_deadline(true, i % 2 == 0, Clock::now() + 1h), 0);
      EXPECT_EQ(pair->set_deadline(false, true, Clock::now() + 10us), 0);
      EXPECT_EQ(pair->set_deadline(i % 3 == 0, true, Clock::time_point::max()), 0);
    }
    pair.feed();
    wg.wait();
  });
}

// A deadline that passes and is taken back before the fiber runs has not happened.
TEST_P(DescriptorTest, DeadlineTakenBackIsForgotten) {
  run([] {
    Pair pair;
    WaitGroup wg;
    go_until_parked(wg, [&] {
      for (ssize_t got = -ETIMEDOUT; got == -ETIMEDOUT;) got = pair.read();
    });
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(pair->set_deadline(true, true, Clock::now() - 1s), 0);
      EXPECT_EQ(pair->set_deadline(true, true, Clock::time_point::max()), 0);
    }
    pair.feed();
    wg.wait();
  });
}

// Numbers of files and Descriptors are reused at once; nobody may miss or steal an event.
TEST_P(DescriptorTest, ReuseLosesNoWakeUp) {
  run([] {
    constexpr int kFibers = 8;
    constexpr int kRounds = 100;
    WaitGroup wg;
    for (int i = 0; i < kFibers; ++i) {
      wg.go([i] {
        std::minstd_rand random(static_cast<unsigned>(i + 1));
        for (int round = 0; round < kRounds; ++round) {
          Pair pair;
          WaitGroup peer;
          peer.go([&] {
            if (random() % 2 == 0) creel::yield();
            pair.feed('z');
          });
          EXPECT_EQ(pair.read(), 'z');
          peer.wait();
        }
      });
    }
    wg.wait();
  });
}

TEST_P(DescriptorTest, StressOfDeadlinesAndCloses) {
  run([] {
    WaitGroup wg;
    for (int i = 0; i < 8; ++i) {
      wg.go([i] {
        std::minstd_rand random(static_cast<unsigned>(i + 1));
        for (int round = 0; round < 60; ++round) {
          Pair pair;
          WaitGroup inside;
          inside.go([&] {
            while (pair.read() != -kClosed) creel::yield();
          });
          for (unsigned k = random() % 4; k > 0; --k) {
            const auto when = Clock::now() + std::chrono::microseconds(random() % 200) - 50us;
            EXPECT_EQ(pair->set_deadline(true, random() % 2 == 0, when), 0);
            if (random() % 2 == 0) pair.feed();
            if (random() % 2 == 0) creel::yield();
          }
          EXPECT_EQ(pair->close(), 0);
          inside.wait();
        }
      });
    }
    wg.wait();
  });
}

TEST_P(DescriptorTest, EagainStormIsSurvived) {
  static std::atomic<Descriptor*> target{nullptr};
  static std::atomic<int> storm{0};
  run([] {
    Pair pair;
    pair.feed('s');
    target = &*pair;
    storm = 20;
    net::sys::set_fault_hook([](net::sys::Call call, int fd) noexcept -> net::sys::Fault {
      Descriptor* descriptor = target;
      if (call != net::sys::Call::kRead || fd != descriptor->fd() || storm.fetch_sub(1) <= 0) return {};
      if (storm % 3 == 0) return {.error = EINTR};
      descriptor->poller()->renew(*descriptor);  // a made-up EAGAIN has no event of its own
      return {.error = EAGAIN};
    });
    EXPECT_EQ(pair.read(), 's');
    net::sys::set_fault_hook(nullptr);
  });
}

INSTANTIATE_RUNTIME_TEST(DescriptorTest);

// --- The runtime's ends.

class PollerTest : public NetTest {};

// One processor or several, a timer is on time though a worker waits in epoll for the network.
TEST_P(PollerTest, TimersGoOnWhileOthersWaitForTheNetwork) {
  run([] {
    Pair pair;
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), 'a'); });
    for (int i = 0; i < 5; ++i) creel::sleep_for(1ms);
    pair.feed();
    wg.wait();
  });
}

// Work made by a foreign event (here: another fiber's blocking section) reaches a runtime that sleeps in epoll.
TEST_P(PollerTest, EventsFromOutsideArrive) {
  run([] {
    Pair pair;
    for (int i = 0; i < 20; ++i) {
      std::thread outside([&] { pair.feed('o'); });
      EXPECT_EQ(pair.read(), 'o');
      creel::blocking([&] { outside.join(); });
    }
  });
}

TEST_P(PollerTest, ManyBecomeReadyTogether) {
  run([] {
    constexpr int kPairs = 300;  // more than one batch
    std::vector<std::unique_ptr<Pair>> pairs;
    for (int i = 0; i < kPairs; ++i) pairs.push_back(std::make_unique<Pair>());
    WaitGroup wg;
    for (auto& pair : pairs) go_until_parked(wg, [&pair] { EXPECT_EQ(pair->read(), 'm'); });
    for (auto& pair : pairs) pair->feed('m');
    wg.wait();
  });
}

// What abandoned fibers had open is closed when the runtime ends, so that nothing leaks and a port is free again.
TEST_P(PollerTest, TheRuntimesEndClosesEverything) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  Descriptor* descriptor = nullptr;
  run([&] {
    std::error_code error;
    descriptor = EpollPoller::current("a test").open(fds[0], error);
    ASSERT_FALSE(error);
  });
  EXPECT_EQ(descriptor->fd(), -1);
  char byte = 0;
  EXPECT_EQ(::read(fds[1], &byte, 1), 0);  // the other end is closed
  ::close(fds[1]);
  EXPECT_EQ(descriptor->close(), kClosed);
  run([&] {
    SideGuard guard(*descriptor, Side::kRead);
    EXPECT_EQ(guard.error(), kClosed);
  });
  descriptor->drop_handle();
}

TEST_P(PollerTest, TracesOfNetworkBlocksAreAccepted) {
  CREEL_REQUIRE_GO_TRACE();
  const std::string path = test_directory() + "/network.trace";
  run([&] {
    trace::Session session = trace::start(path);
    Pair pair;
    WaitGroup wg;
    for (int i = 0; i < 20; ++i) {
      go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), 'a'); });
      pair.feed();
      wg.wait();
      EXPECT_EQ(pair->set_deadline(true, true, Clock::now() + 500us), 0);
      EXPECT_EQ(pair.read(), -ETIMEDOUT);
      EXPECT_EQ(pair->set_deadline(true, true, Clock::time_point::max()), 0);
    }
    go_until_parked(wg, [&] { EXPECT_EQ(pair.read(), -kClosed); });
    pair->close();
    wg.wait();
    EXPECT_FALSE(session.stop());
  });
  EXPECT_TRACE_ACCEPTED(path);
}

INSTANTIATE_RUNTIME_TEST(PollerTest);

// Fibers parked for the network at the end of main are abandoned; their files are closed.
TEST(PollerEnd, AbandonedWaitersLeakNoFile) {
  Watchdog watchdog;
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  EXPECT_EQ(run_with(2,
                     [&] {
                       static Descriptor* descriptor = nullptr;
                       std::error_code error;
                       descriptor = EpollPoller::current("a test").open(fds[0], error);
                       ASSERT_FALSE(error);
                       WaitGroup never;
                       go_until_parked(never, [] {
                         SideGuard guard(*descriptor, Side::kRead);
                         static_cast<void>(descriptor->wait(Side::kRead));
                       });
                     }),
            0);
  char byte = 0;
  EXPECT_EQ(::read(fds[1], &byte, 1), 0);
  ::close(fds[1]);
}

// Nobody waits for the network any more, though somebody did: the deadlock is found.
class PollerDeathTest : public DeathTest {};
TEST_F(PollerDeathTest, ADeadlockIsFoundAfterNetworkUse) {
  EXPECT_EXIT(
      {
        std::exit(run_with(2, [] {
          Pair pair;
          WaitGroup wg;
          go_until_parked(wg, [&] { pair.read(); });
          pair->close();
          wg.wait();
          Channel<int> nobody;
          nobody.recv();
        }));
      },
      testing::ExitedWithCode(2), "deadlock");
}

}  // namespace
}  // namespace creel::test
