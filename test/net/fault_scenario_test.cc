// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Every fault at every system call of one scenario: a run counts the calls, then as many runs each make one of them fail.
//
// A fault that the runtime sits out or repeats (EINTR, short transfers, EAGAIN, a connection aborted before accept(), no
// more files in accept()) must not be seen at all: every byte arrives. Any other must reach a caller as itself, and
// everybody else must come to an end by it. Deadlines turn a lost wake-up into a failure; NetTest looks for leaks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "creel/net/descriptor_pool.h"
#include "creel/net/epoll_poller.h"
#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::TcpListener;
using net::TcpStream;
using net::UdpSocket;
using net::sys::Call;
using net::sys::Fault;

// --- The hook.

struct Plan {
  std::vector<Call> calls;  // the kinds that count
  Fault fault;
  int storm = 1;            // calls in a row from the chosen one on
};

// A worker's call may still ask after the hook was taken away, so all of it is atomic.
std::atomic<std::uint32_t> kinds{0};  // a bit per Call
std::atomic<int> fault_error{0};
std::atomic<std::size_t> fault_limit{0};
std::atomic<int> first{0};  // 0: only count
std::atomic<int> last{0};
std::atomic<int> asked{0};

// The event that the made-up EAGAIN lacks.
void renew(int fd) {
  net::detail::DescriptorPool::instance().for_each([fd](net::detail::Descriptor& d) {
    if (d.fd() == fd && d.poller() != nullptr) d.poller()->renew(d);
  });
}

Fault hook(Call call, int fd) noexcept {
  if ((kinds >> static_cast<int>(call) & 1) == 0) return {};
  const int number = asked.fetch_add(1) + 1;
  if (number < first || number > last) return {};
  if (fault_error == EAGAIN) renew(fd);
  return {.error = fault_error, .limit = fault_limit};
}

// From the call of this number on; 0: none.
void install(const Plan& plan, int number) {
  kinds = 0;
  asked = 0;
  fault_error = plan.fault.error;
  fault_limit = plan.fault.limit;
  first = number;
  last = number == 0 ? 0 : number + plan.storm - 1;
  std::uint32_t bits = 0;
  for (const Call call : plan.calls) bits |= 1u << static_cast<int>(call);
  kinds = bits;
  net::sys::set_fault_hook(hook);
}

// --- The scenario.

// What went wrong, of all fibers.
class Errors {
 public:
  // Whether there is none.
  bool check(const std::error_code& error) {
    if (!error) return true;
    const std::lock_guard guard(mutex_);
    codes_.push_back(error);
    return false;
  }
  [[nodiscard]] const std::vector<std::error_code>& codes() const { return codes_; }

 private:
  Mutex mutex_;
  std::vector<std::error_code> codes_;
};

constexpr std::size_t kBlock = 30'000;  // more than a socket with a small buffer takes at once
constexpr auto kPatience = 30s;

std::string block() {
  std::string text(kBlock, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i * i % 23);
  return text;
}

// Answers each byte of the client, until its end.
template <typename Stream>
bool serve(Stream& stream, Errors& errors) {
  std::error_code error;
  stream.set_deadline(kPatience, error);
  if (!errors.check(error)) return false;
  std::array<char, 5000> room;
  for (;;) {
    const std::size_t got = stream.read_some(room, error);
    if (!errors.check(error)) return false;
    if (got == 0) break;
    stream.write_all(std::span(room).first(got), error);
    if (!errors.check(error)) return false;
  }
  stream.close(error);
  return errors.check(error);
}

// Sends in three ways, beside reading, and ends. True: every byte came back.
template <typename Stream>
bool talk(Stream& stream, Errors& errors, int file) {
  const std::string text = block();
  std::error_code error;
  stream.set_deadline(kPatience, error);
  if (!errors.check(error)) return false;
  stream.set_option(SOL_SOCKET, SO_SNDBUF, 8192, error);
  if (!errors.check(error)) return false;
  WaitGroup writer;
  writer.go([&] {
    std::error_code failed;
    stream.write_all(text, failed);
    const std::array<std::string_view, 2> parts{std::string_view(text).substr(0, 10), std::string_view(text).substr(10)};
    if (!failed) stream.write_all(parts, failed);
    if (!failed && stream.send_file(file, 0, 1000, failed) != 1000 && !failed) failed = std::make_error_code(std::errc::io_error);
    if (!failed) stream.shutdown_write(failed);
    std::error_code ignored;
    if (!errors.check(failed)) stream.shutdown_read(ignored);  // there is nothing to wait for
  });
  std::string answer(2 * text.size() + 1000, ' ');
  stream.read_full(answer, error);
  bool right = errors.check(error);
  if (!right) {
    std::error_code ignored;
    stream.close(ignored);  // lets go of the writer
  }
  writer.wait();
  if (!right) return false;
  std::array<char, 1> room;
  right = stream.read_some(room, error) == 0;
  right = errors.check(error) && right;
  stream.close(error);
  return errors.check(error) && right && answer == text + text + std::string(1000, 'f');
}

// A server and a client over TCP. True: all came through.
bool over_tcp(Errors& errors, int file) {
  std::error_code error;
  TcpListener listener = TcpListener::bind(net::Address::parse("127.0.0.1:0"), {}, error);
  if (!errors.check(error)) return false;
  listener.set_deadline(kPatience, error);
  if (!errors.check(error)) return false;
  bool served = false;
  WaitGroup server;
  server.go([&] {
    std::error_code failed;
    TcpStream stream = listener.accept(failed);
    served = errors.check(failed) && serve(stream, errors);
    if (!served) listener.close(failed);  // a connection that nobody accepts would wait
  });
  bool talked = false;
  {
    TcpStream stream = TcpStream::connect(listener.local_address(), {.deadline = kPatience}, error);
    talked = errors.check(error) && talk(stream, errors, file);
    if (!talked) listener.close(error);
  }
  server.wait();
  if (talked && served) {
    listener.close(error);
    return errors.check(error);
  }
  return false;
}

bool over_udp(Errors& errors) {
  std::error_code error;
  UdpSocket one = UdpSocket::bind(net::Address::parse("127.0.0.1:0"), {}, error);
  if (!errors.check(error)) return false;
  UdpSocket other = UdpSocket::connect(one.local_address(), error);
  if (!errors.check(error)) return false;
  one.set_deadline(kPatience, error);
  if (!errors.check(error)) return false;
  WaitGroup sender;
  sender.go([&] {
    std::error_code failed;
    other.send(std::string_view("d"), failed);
    std::error_code ignored;
    if (!errors.check(failed)) one.close(ignored);
  });
  std::array<char, 100> room;
  net::Address from;
  const std::size_t got = one.receive_from(room, from, error).size;
  sender.wait();
  return errors.check(error) && got == 1 && room[0] == 'd';
}

bool scenario(Errors& errors, int file) { return over_tcp(errors, file) && over_udp(errors); }

// --- The enumeration.

class FaultScenarioTest : public NetTest {
 protected:
  // Runs the scenario once per call that `faults` concerns. `repaired`: nobody may notice; else at most by this error,
  // or by what a connection that ends early looks like to the others.
  void at_every_call(const Plan& faults, bool repaired) {
    run([&] {
      char name[] = "/tmp/creel-fault-XXXXXX";
      const int file = ::mkstemp(name);
      ASSERT_GE(file, 0);
      ::unlink(name);
      const std::string content(1000, 'f');
      ASSERT_EQ(::write(file, content.data(), content.size()), 1000);

      int calls = 0;
      for (int number = 0; number <= calls; ++number) {  // number 0 counts
        install(faults, number);
        Errors errors;
        const bool through = scenario(errors, file);
        net::sys::set_fault_hook(nullptr);
        // A few calls depend on who comes first; all that this run had are tried.
        if (number == 0) calls = std::min(asked.load(), kMost);
        SCOPED_TRACE("call " + std::to_string(number) + " of " + std::to_string(calls));
        if (number == 0 || repaired) {
          EXPECT_TRUE(through);
          EXPECT_THAT(errors.codes(), ::testing::IsEmpty());
        }
        for (const std::error_code& error : errors.codes()) {
          EXPECT_NE(error, std::errc::timed_out) << "somebody waited for nothing";
        }
        if (HasFailure()) break;
      }
      EXPECT_GT(calls, 0);
      ::close(file);
    });
  }

 private:
#if defined(CREEL_TSAN) || defined(CREEL_ASAN)
  static constexpr int kMost = 100;
#else
  static constexpr int kMost = 400;  // the later ones of the bulk transfer are all alike
#endif
};

const std::vector<Call> kAll = {Call::kSocket, Call::kBind,      Call::kListen,   Call::kAccept,   Call::kConnect,
                                Call::kRead,   Call::kWrite,     Call::kSendFile, Call::kShutdown, Call::kGetOption,
                                Call::kSetOption, Call::kEpollAdd, Call::kEpollWait};
const std::vector<Call> kTransfers = {Call::kRead, Call::kWrite, Call::kSendFile};
const std::vector<Call> kWaits = {Call::kRead, Call::kWrite, Call::kSendFile, Call::kAccept};

TEST_P(FaultScenarioTest, Interrupted) { at_every_call({kAll, {.error = EINTR}, 3}, true); }

TEST_P(FaultScenarioTest, ShortTransfers) { at_every_call({kTransfers, {.limit = 1}, 3}, true); }

TEST_P(FaultScenarioTest, NothingThereYet) { at_every_call({kWaits, {.error = EAGAIN}, 1}, true); }
TEST_P(FaultScenarioTest, StormsOfNothingThereYet) { at_every_call({kWaits, {.error = EAGAIN}, 20}, true); }

TEST_P(FaultScenarioTest, AbortedBeforeAccept) { at_every_call({{Call::kAccept}, {.error = ECONNABORTED}, 2}, true); }
TEST_P(FaultScenarioTest, NoMoreFilesInAccept) { at_every_call({{Call::kAccept}, {.error = EMFILE}, 2}, true); }

TEST_P(FaultScenarioTest, NoMoreFiles) {
  at_every_call({{Call::kSocket, Call::kEpollAdd}, {.error = EMFILE}, 1}, false);
}
TEST_P(FaultScenarioTest, NoMemoryInTheKernel) {
  at_every_call({{Call::kSocket, Call::kBind, Call::kListen, Call::kConnect, Call::kSetOption, Call::kEpollAdd,
                  Call::kRead, Call::kWrite, Call::kSendFile, Call::kShutdown},
                 {.error = ENOBUFS}, 1},
                false);
}
TEST_P(FaultScenarioTest, ConnectionReset) { at_every_call({kTransfers, {.error = ECONNRESET}, 1}, false); }
TEST_P(FaultScenarioTest, CloseFails) { at_every_call({{Call::kClose}, {.error = EIO}, 1}, false); }

INSTANTIATE_RUNTIME_TEST(FaultScenarioTest);

}  // namespace
}  // namespace creel::test
