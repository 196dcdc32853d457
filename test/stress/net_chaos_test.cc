// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Connections that come, go, dawdle and break, for CHAOS_SECONDS (default 5; 600 is the long form).
//
// Rounds of some hundred clients, each of which does one thing drawn from the seed (CHAOS_SEED, default 1), against a
// server whose listener is made anew each round. After a round nothing of it may be left: no fiber, no descriptor of
// net/, no socket of the process. Everything that waits has a deadline; a round that takes longer than a minute is a
// stall, and ends the process with a dump of all fibers. Resident memory may not grow from the first rounds to the last
// (left to the sanitizers where there is one).

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "creel/net/descriptor_pool.h"
#include "test/runtime/fixture.h"

namespace creel::test {
namespace {

using net::Address;
using net::TcpListener;
using net::TcpStream;

constexpr int kClients = 300;  // in a round
constexpr std::int64_t kWarmUp = 3;  // rounds before memory is looked at
constexpr std::int64_t kGrowth = 32 << 20;

int environment_number(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && std::atoi(text) > 0 ? std::atoi(text) : otherwise;
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  statm >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Sockets and the like: the monitor looks into /proc at any time, and a report keeps files with debug information open.
std::size_t open_files() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::filesystem::path target = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone && !target.is_absolute()) ++count;
  }
  return count;
}

// Echoes; gives up on clients that neither read nor write.
void serve(TcpStream& stream) {
  std::array<char, 2000> room;
  std::error_code error;
  for (;;) {
    stream.set_deadline(200ms, error);
    const std::size_t got = stream.read_some(room, error);
    if (error || got == 0) return;
    stream.write_all(std::span(room).first(got), error);
    if (error) return;
  }
}

// One for all: large blocks that come and go would tell how malloc keeps them, not what leaks.
const std::string& bulk() {
  static const std::string text(4 << 20, 'b');
  return text;
}

void reset_at_close(TcpStream& stream) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// What clients do. Each returns the number of bytes that came back.

std::size_t talk(TcpStream& stream, std::minstd_rand& random) {
  const std::string sent(1 + random() % 5000, 't');
  std::string answer(sent.size(), ' ');
  std::size_t total = 0;
  std::error_code error;
  for (unsigned i = random() % 5 + 1; i > 0; --i) {
    stream.write_all(sent, error);
    const std::size_t got = error ? 0 : stream.read_full(answer, error);
    total += got;
    if (error) break;
    EXPECT_EQ(answer, sent);
  }
  return total;
}

// Sends more than all buffers hold and reads in small pieces, with pauses.
std::size_t dawdle(TcpStream& stream, std::minstd_rand& random) {
  const std::size_t size = 100'000 + random() % 400'000;
  WaitGroup writer;
  writer.go([&stream, size] {
    std::error_code error;
    stream.write_all(std::string_view(bulk()).substr(0, size), error);
    if (!error) stream.shutdown_write(error);
  });
  std::array<char, 9000> room;
  std::error_code error;
  std::size_t total = 0;
  while (const std::size_t got = stream.read_some(room, error)) {
    total += got;
    if (random() % 8 == 0) sleep_for(1ms);
  }
  stream.shutdown_read(error);
  writer.wait();
  return total;
}

// Sends and never reads: the server's deadline ends it.
void ignore(TcpStream& stream) {
  std::error_code error;
  stream.set_write_deadline(500ms, error);
  stream.write_all(bulk(), error);
}

// Closed by another fiber while it is read.
void be_closed(TcpStream& stream, std::minstd_rand& random) {
  WaitGroup closer;
  closer.go([&stream, pause = std::chrono::microseconds(random() % 2000)] {
    sleep_for(pause);
    std::error_code error;
    stream.close(error);
  });
  std::array<char, 10> room;
  std::error_code error;
  while (stream.read_some(room, error) != 0) {
  }
  closer.wait();
}

// Silent, until the server gives up. `early`: the listener may close before it has accepted this connection. The kernel then does
// not always tell (seen: established here, no socket there), so that is taken for an end if a byte sent is not answered either.
void be_silent(TcpStream& stream, bool early) {
  std::array<char, 10> room;
  std::error_code error;
  if (early) stream.set_deadline(2s, error);
  EXPECT_EQ(stream.read_some(room, error), 0u);
  if (early && error == std::errc::timed_out) {
    stream.set_deadline(2s, error);
    stream.write_all(std::string_view("x"), error);
    EXPECT_EQ(error ? 0u : stream.read_some(room, error), 0u);
  }
  EXPECT_NE(error, std::errc::timed_out) << "the server did not give up";
}

std::size_t one_client(const Address& address, unsigned seed, bool early) {
  std::minstd_rand random(seed);
  sleep_for(std::chrono::microseconds(random() % 20'000));
  std::error_code error;
  TcpStream stream = TcpStream::connect(address, {.deadline = 20s}, error);
  if (error) {
    // The listener may be gone, or the connection may have come and gone already: nothing else is expected.
    EXPECT_TRUE(error == std::errc::connection_refused || error == std::errc::connection_reset || error == std::errc::broken_pipe)
        << error.message();
    return 0;
  }
  stream.set_deadline(20s, error);
  switch (random() % 8) {
    case 0:
    case 1:
      return talk(stream, random);
    case 2:
      return dawdle(stream, random);
    case 3:
      ignore(stream);
      return 0;
    case 4:
      be_closed(stream, random);
      return 0;
    case 5:  // there and gone
      if (random() % 2 == 0) reset_at_close(stream);
      return 0;
    case 6: {  // half a message, then a reset
      stream.write_all(std::string_view(bulk()).substr(0, random() % 3000), error);
      reset_at_close(stream);
      return 0;
    }
    default:
      be_silent(stream, early);
      return 0;
  }
}

// The bytes that came back to all clients. `early`: the listener is closed while clients still come.
std::size_t one_round(unsigned seed, bool early) {
  TcpListener listener = TcpListener::bind("127.0.0.1:0");
  const Address address = listener.local_address();
  WaitGroup servers;
  for (int i = 0; i < 2; ++i) {
    servers.go([&] {
      for (;;) {
        std::error_code error;
        auto stream = std::make_shared<TcpStream>(listener.accept(error));
        if (error) return;
        servers.go([accepted = std::move(stream)]() mutable {
          const std::shared_ptr<TcpStream> held = std::move(accepted);  // closed before the group is told
          serve(*held);
        });
      }
    });
  }
  std::atomic<std::size_t> bytes{0};
  WaitGroup clients;
  for (int i = 0; i < kClients; ++i) {
    clients.go([&, i] { bytes += one_client(address, seed * kClients + static_cast<unsigned>(i) + 1, early); });
  }
  if (early) {
    sleep_for(10ms);
    listener.close();
    clients.wait();
  } else {
    clients.wait();
    listener.close();
  }
  servers.wait();
  return bytes;
}

TEST(NetChaos, NothingIsLeftBehind) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(environment_number("CHAOS_SECONDS", 5));
  const auto seed = static_cast<unsigned>(environment_number("CHAOS_SEED", 1));
  const int status = run_with(4, [&] {
    std::size_t bytes = one_round(0, false);  // opens what stays open: the poller
    static_cast<void>(dump());                // a report, on a loaded machine, reads debug information: tens of megabytes
    const std::size_t fibers = fiber_count();
    const std::size_t files = open_files();
    const std::uint32_t descriptors = net::detail::DescriptorPool::instance().in_use();
    std::int64_t memory = 0;
    unsigned rounds = 0;
    while (rounds < kWarmUp + 1 || std::chrono::steady_clock::now() < end) {
      const Watchdog watchdog;
      bytes += one_round(seed + rounds, rounds % 4 == 3);
      // A fiber is counted until its worker has taken it off.
      await([&] { return fiber_count() <= fibers; });
      EXPECT_EQ(net::detail::DescriptorPool::instance().in_use(), descriptors);
      await([&] { return open_files() <= files; });  // more were seen beside a report of the monitor's
      if (++rounds == kWarmUp) memory = resident_bytes();
      if (::testing::Test::HasFailure()) break;
    }
    const std::int64_t growth = resident_bytes() - memory;
#if !defined(CREEL_ASAN) && !defined(CREEL_TSAN)
    EXPECT_LT(growth, kGrowth);
#endif
    EXPECT_GT(bytes, 0u);
    std::printf("%u rounds of %d clients, %zu bytes came back, resident memory grew by %lld KiB\n", rounds, kClients, bytes,
                static_cast<long long>(growth / 1024));
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace creel::test
