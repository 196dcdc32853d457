// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Faults of the system under TCP sockets: interrupted calls, short transfers, errors, want of files.

#include <creel/net/tcp_listener.h>
#include <creel/net/tcp_stream.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "test/net/link.h"

namespace creel::test {
namespace {

using net::Deadline;
using net::Errc;
using net::TcpListener;
using net::TcpStream;
using net::sys::Call;
using net::sys::Fault;

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
INSTANTIATE_RUNTIME_TEST(TcpFaultTest);

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

}  // namespace
}  // namespace creel::test
