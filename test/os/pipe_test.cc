// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Pipes: waiting, deadlines, close, FIFOs; and what Go's reader says of a trace of them. Go's tests of the same
// behaviour are named next to each.

#include <creel/creel.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <string>
#include <system_error>

#include "test/net/fixture.h"

namespace creel::test {
namespace {

class PipeTest : public NetTest {};
INSTANTIATE_RUNTIME_TEST(PipeTest);

// Writes until there is no room.
void fill(Pipe& pipe) {
  const std::string text(4096, 'f');
  while (::write(pipe.writer.native_handle(), text.data(), text.size()) > 0) {
  }
}

// Go: TestPipe (os), TestPipeThreads.
TEST_P(PipeTest, CarriesBytes) {
  run([] {
    Pipe pipe = Pipe::open();
    EXPECT_TRUE(pipe.reader.polled());
    EXPECT_TRUE(pipe.writer.polled());
    const std::string text(300'000, 'p');  // more than it holds
    WaitGroup wg;
    wg.go([&] {
      EXPECT_EQ(pipe.writer.write_all(text), text.size());
      pipe.writer.close();
    });
    std::string got;
    std::array<char, 5000> room;
    while (const std::size_t some = pipe.reader.read_some(room)) got.append(room.data(), some);
    EXPECT_EQ(got, text);
    wg.wait();
  });
}

TEST_P(PipeTest, ReadAndWriteWait) {
  run([] {
    Pipe pipe = Pipe::open();
    std::array<char, 8192> room;
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(pipe.reader.read_some(room), 1u); });
    pipe.writer.write_all("x");
    wg.wait();
    fill(pipe);
    go_until_parked(wg, [&] { pipe.writer.write_all("y"); });
    pipe.reader.read_full(room);
    wg.wait();
  });
}

// Go: TestReadTimeout, TestReadTimeoutMustNotReturn, TestWriteTimeout, TestReadWriteDeadlineRace (os).
TEST_P(PipeTest, Deadlines) {
  run([] {
    Pipe pipe = Pipe::open();
    std::array<char, 4> room;
    std::error_code error;
    pipe.reader.set_read_deadline(1ms);
    EXPECT_EQ(pipe.reader.read_some(room, error), 0u);
    EXPECT_EQ(error, std::errc::timed_out);
    pipe.reader.set_deadline(net::Deadline::never());
    fill(pipe);
    pipe.writer.set_write_deadline(1ms);
    EXPECT_EQ(pipe.writer.write_some("x", error), 0u);
    EXPECT_EQ(error, std::errc::timed_out);
    pipe.writer.set_deadline(net::Deadline::never());
    // Go: TestReadTimeoutFluctuation's other half: one that is set while a call waits.
    WaitGroup wg;
    go_until_parked(wg, [&] {
      pipe.writer.write_all("x", error);
      EXPECT_EQ(error, std::errc::timed_out);
    });
    pipe.writer.set_deadline(-1s);
    wg.wait();
    EXPECT_EQ(pipe.reader.read_some(room), 4u) << "the other end has its own";
  });
}

// Go: TestPipeCloseRace, TestClosedPipeRaceRead, TestCloseWithBlockingReadByNewFile, TestStdPipe's EPIPE part.
TEST_P(PipeTest, CloseWakesWhoWaits) {
  run([] {
    Pipe pipe = Pipe::open();
    std::array<char, 4> room;
    WaitGroup wg;
    go_until_parked(wg, [&] {
      std::error_code error;
      pipe.reader.read_some(room, error);
      EXPECT_EQ(error, net::Errc::closed);
    });
    pipe.reader.close();
    EXPECT_EQ(pipe.reader.native_handle(), -1);
    wg.wait();
    std::error_code error;
    pipe.writer.write_some("x", error);  // no SIGPIPE
    EXPECT_EQ(error, std::errc::broken_pipe);

    Pipe full = Pipe::open();
    fill(full);
    go_until_parked(wg, [&] {
      std::error_code ended;
      full.writer.write_all("x", ended);
      EXPECT_EQ(ended, net::Errc::closed);
    });
    full.writer.close();
    wg.wait();
  });
}

// Go: TestPipeEOF.
TEST_P(PipeTest, TheOtherEndsCloseIsTheEnd) {
  run([] {
    Pipe pipe = Pipe::open();
    WaitGroup wg;
    std::array<char, 4> room;
    go_until_parked(wg, [&] { EXPECT_EQ(pipe.reader.read_some(room), 0u); });
    pipe.writer.close();
    wg.wait();
    // And for a writer that waits: nobody will read.
    Pipe full = Pipe::open();
    fill(full);
    go_until_parked(wg, [&] {
      std::error_code error;
      full.writer.write_all("x", error);
      EXPECT_EQ(error, std::errc::broken_pipe);
    });
    full.reader.close();
    wg.wait();
  });
}

TEST_P(PipeTest, Contexts) {
  run([] {
    Pipe pipe = Pipe::open();
    std::array<char, 4> room;
    std::error_code error;
    auto [context, cancel] = Context::background().with_cancel();
    WaitGroup wg;
    go_until_parked(wg, [&, given = context] { pipe.reader.read_some(room, given, error); });
    cancel();
    wg.wait();
    EXPECT_EQ(error, std::errc::operation_canceled);
    pipe.reader.read_full(room, Context::background().with_timeout(1ms), error);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_THROW(pipe.reader.read_some(room, context), std::system_error);
  });
}

// Go: TestFifoEOF, TestNonPollable's counterpart. Opening waits for the other end without holding up the processor.
TEST_P(PipeTest, Fifo) {
  run([] {
    const std::string path = test_directory() + "/fifo";
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    WaitGroup wg;
    wg.go([&] {
      File writer = File::open(path, {.write = true});
      EXPECT_TRUE(writer.polled());
      writer.write_all("through a fifo");
    });
    File reader = File::open(path);
    std::string got(14, ' ');
    reader.read_full(got);
    EXPECT_EQ(got, "through a fifo");
    std::array<char, 4> room;
    EXPECT_EQ(reader.read_some(room), 0u);
    reader.close();
    wg.wait();
    wg.go([&] { write_file(path, "as a whole"); });
    EXPECT_EQ(read_file(path), "as a whole");
    wg.wait();
  });
}

// A blocking write that is broken in the middle says what it had written, and raises SIGPIPE all the same.
TEST_P(PipeTest, ABrokenWriteOfAWholeFileIsAnError) {
  run([] {
    const std::string path = test_directory() + "/broken";
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    const int room = ::fcntl(reader, F_GETPIPE_SZ);
    ASSERT_GT(room, 0);
    WaitGroup wg;
    std::error_code error;
    wg.go([&] { write_file(path, std::string(static_cast<std::size_t>(room) + 1, 'b'), error); });
    await([&] {
      int held = 0;
      return ::ioctl(reader, FIONREAD, &held) == 0 && held == room;
    });
    ::close(reader);
    wg.wait();
    EXPECT_EQ(error, std::errc::broken_pipe) << error.message();
  });
}

// Nothing of a pipe goes to programs that are started.
TEST_P(PipeTest, ClosedOnExec) {
  run([] {
    Pipe pipe = Pipe::open();
    for (const File* end : {&pipe.reader, &pipe.writer}) {
      EXPECT_NE(::fcntl(end->native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    }
  });
}

TEST_P(PipeTest, ManyAtOnce) {
  run([] {
    constexpr int kRounds = 300;
    Pipe there = Pipe::open();
    Pipe back = Pipe::open();
    WaitGroup wg;
    wg.go([&] {
      std::array<char, 1> room;
      while (there.reader.read_some(room) != 0) back.writer.write_all(room);
    });
    for (int i = 0; i < kRounds; ++i) {
      std::array<char, 1> room{static_cast<char>(i)};
      there.writer.write_all(room);
      back.reader.read_full(room);
      EXPECT_EQ(room[0], static_cast<char>(i));
    }
    there.writer.close();
    wg.wait();
  });
}

TEST_P(PipeTest, TheTraceIsAccepted) {
  CREEL_REQUIRE_GO_TRACE();
  const std::string path = test_directory() + "/trace";
  run([&] {
    trace::Session session = trace::start(path);
    Pipe pipe = Pipe::open();
    write_file(path + ".txt", "some text");
    WaitGroup wg;
    std::array<char, 4> room;
    go_until_parked(wg, [&] { EXPECT_EQ(pipe.reader.read_some(room), 1u); });
    pipe.writer.write_all("x");
    wg.wait();
    EXPECT_EQ(read_file(path + ".txt"), "some text");
    EXPECT_FALSE(session.stop());
  });
  EXPECT_TRACE_ACCEPTED(path);
}

}  // namespace
}  // namespace creel::test
