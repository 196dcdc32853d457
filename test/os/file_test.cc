// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Files: opening, reading, writing, positions; whole files. Go's tests of the same behaviour are named next to each.

#include <creel/creel.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::sys::Call;
using net::sys::Fault;

class FileTest : public NetTest {
 protected:
  [[nodiscard]] std::string path(const char* name = "file") const { return test_directory() + "/" + name; }
  FileTest() { std::filesystem::remove(path()); }
};
INSTANTIATE_RUNTIME_TEST(FileTest);

// Go: TestReadAt, TestWriteAt, TestSeek, TestTruncate.
TEST_P(FileTest, ReadsAndWrites) {
  run([&] {
    File file = File::create(path());
    EXPECT_FALSE(file.polled());
    file.write_all("hello, world\n");
    EXPECT_EQ(file.seek(0, Whence::kCurrent), 13);
    EXPECT_EQ(file.seek(-6, Whence::kEnd), 7);
    std::array<char, 32> room;
    EXPECT_EQ(file.read_some(room), 6u);
    EXPECT_EQ(file.read_some(room), 0u) << "the end";
    EXPECT_EQ(file.seek(0), 0);
    std::string whole(12, ' ');
    std::vector<std::span<char>> parts{std::span(whole).first(5), std::span(whole).subspan(5)};
    file.read_full(parts);
    EXPECT_EQ(whole, "hello, world");

    std::array<char, 5> word;
    EXPECT_EQ(file.read_at(word, 7), 5u);
    EXPECT_EQ(std::string(word.data(), 5), "world");
    EXPECT_EQ(file.read_at(room, 7), 6u) << "less at the end";
    EXPECT_EQ(file.write_at("WORLD", 7), 5u);
    EXPECT_EQ(file.seek(0, Whence::kCurrent), 12) << "the position stays";
    file.truncate(12);
    EXPECT_EQ(file.status().st_size, 12);
    file.sync();
    file.sync_data();
    file.close();
    EXPECT_EQ(read_file(path()), "hello, WORLD");
  });
}

// Go: TestFileReadDir's and TestOpenError's errors, TestErrIsNotExist.
TEST_P(FileTest, ErrorsAreTold) {
  run([&] {
    std::error_code error;
    EXPECT_FALSE(File::open(path("absent"), error).is_open());
    EXPECT_EQ(error, std::errc::no_such_file_or_directory);
    try {
      static_cast<void>(File::open(path("absent")));
      FAIL() << "opened";
    } catch (const std::system_error& thrown) {
      EXPECT_NE(std::string(thrown.what()).find(path("absent")), std::string::npos) << thrown.what();
    }
    File directory = File::open(test_directory());
    std::array<char, 4> room;
    directory.read_some(room, error);
    EXPECT_EQ(error, std::errc::is_a_directory);
    static_cast<void>(File::open(path(), OpenOptions{}, error));
    EXPECT_EQ(error, std::errc::invalid_argument);
    static_cast<void>(File::open(path(), {.read = true, .truncate = true}, error));
    EXPECT_EQ(error, std::errc::invalid_argument);
    static_cast<void>(File::open(path() + std::string(1, '\0') + "x", error));
    EXPECT_EQ(error, std::errc::invalid_argument);
    static_cast<void>(File::adopt(-1, error));
    EXPECT_EQ(error, std::errc::bad_file_descriptor);

    File file = File::open(path(), {.write = true, .create = true, .exclusive = true});
    static_cast<void>(File::open(path(), {.write = true, .create = true, .exclusive = true}, error));
    EXPECT_EQ(error, std::errc::file_exists);
    file.read_some(room, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    // Go: TestFileNoDeadline... ErrNoDeadline.
    file.set_deadline(1s, error);
    EXPECT_EQ(error, std::errc::operation_not_supported);
    file.close();
    file.write_all("x", error);
    EXPECT_EQ(error, net::Errc::closed);
    file.set_deadline(1s, error);
    EXPECT_EQ(error, net::Errc::closed);
    file.close(error);
    EXPECT_EQ(error, net::Errc::closed);
    static_cast<void>(File().status(error));
    EXPECT_EQ(error, net::Errc::closed);
  });
}

// Go: TestAppend.
TEST_P(FileTest, Appends) {
  run([&] {
    write_file(path(), "one ");
    File file = File::open(path(), {.append = true});
    file.write_all("two ");
    File::open(path(), {.append = true}).write_all("three");
    EXPECT_EQ(read_file(path()), "one two three");
  });
}

// What two fibers write at a time does not mix, and nothing is lost.
TEST_P(FileTest, WritersTakeTurns) {
  run([&] {
    File file = File::open(path(), {.append = true, .create = true});
    WaitGroup wg;
    for (char letter : {'a', 'b', 'c'}) {
      wg.go([&, letter] {
        for (int i = 0; i < 50; ++i) file.write_all(std::string(99, letter) + "\n");
      });
    }
    wg.wait();
    const std::string content = read_file(path());
    ASSERT_EQ(content.size(), 3u * 50 * 100);
    for (std::size_t at = 0; at < content.size(); at += 100) {
      EXPECT_EQ(content.substr(at, 100), std::string(99, content[at]) + "\n");
    }
  });
}

// Go: TestReadFile, TestWriteFile, TestReadFileProc.
TEST_P(FileTest, WholeFiles) {
  run([&] {
    std::string content(100'000, ' ');
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
    write_file(path(), content, 0600);
    EXPECT_EQ(read_file(path()), content);
    EXPECT_EQ(File::open(path()).status().st_mode & 0777, 0600u);
    write_file(path(), "");
    EXPECT_EQ(read_file(path()), "");
    EXPECT_FALSE(read_file("/proc/self/stat").empty()) << "a file that does not tell its size";
    EXPECT_FALSE(read_file("/proc/mounts").empty());

    write_file_atomic(path(), "new");
    EXPECT_EQ(read_file(path()), "new");
    std::error_code error;
    write_file_atomic(path("absent/file"), "x", error);
    EXPECT_EQ(error, std::errc::no_such_file_or_directory);
    EXPECT_EQ(read_file(test_directory(), error), "");
    EXPECT_EQ(error, std::errc::is_a_directory);
    EXPECT_THROW(write_file(test_directory(), "x"), std::system_error);
    int files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(test_directory())) ++files;
    EXPECT_EQ(files, 1) << "nothing is left beside it";
  });
}

// On a thread that runs no fiber, too.
TEST(WholeFile, OutsideOfTheRuntime) {
  const std::string path = test_directory() + "/file";
  write_file(path, "outside");
  EXPECT_EQ(read_file(path), "outside");
}

// An atomic write that fails leaves the old content, and nothing beside it.
TEST_P(FileTest, AtomicWriteThatFails) {
  run([&] {
    write_file(path(), "old");
    static std::atomic<Call> failing{Call::kSync};
    for (const Call call : {Call::kWrite, Call::kSync, Call::kClose, Call::kRename}) {
      failing = call;
      net::sys::set_fault_hook([](Call asked, int) noexcept -> Fault { return {.error = asked == failing ? EIO : 0}; });
      std::error_code error;
      write_file_atomic(path(), "new", error);
      net::sys::set_fault_hook(nullptr);
      EXPECT_EQ(error, std::errc::io_error);
      EXPECT_EQ(read_file(path()), "old");
      int files = 0;
      for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(test_directory())) ++files;
      EXPECT_EQ(files, 1);
    }
  });
}

// Each call is interrupted, and moves one byte at a time.
TEST_P(FileTest, InterruptedAndShort) {
  run([&] {
    static std::atomic<unsigned> calls{0};
    net::sys::set_fault_hook([](Call call, int) noexcept -> Fault {
      if (call == Call::kEpollWait || call == Call::kClose || call == Call::kEpollAdd) return {};
      if (calls.fetch_add(1) % 2 == 0) return {.error = EINTR};
      return {.limit = 1};
    });
    const std::string text = "short reads and writes";
    write_file(path(), text);
    EXPECT_EQ(read_file(path()), text);
    File file = File::create(path());
    file.write_all(std::vector<std::string>{"short ", "reads ", "and writes"});
    file.seek(0);
    std::string got(text.size(), ' ');
    file.read_full(got);
    EXPECT_EQ(got, text);
    EXPECT_EQ(file.write_at("SHORT", 0), 5u);
    EXPECT_EQ(file.read_at(got, 0), text.size());
    EXPECT_EQ(got, "SHORT reads and writes");
    Pipe pipe = Pipe::open();
    pipe.writer.write_all(text);
    pipe.reader.read_full(got);
    EXPECT_EQ(got, text);
    net::sys::set_fault_hook(nullptr);
  });
}

TEST_P(FileTest, FailuresAreTold) {
  run([&] {
    static std::atomic<Call> failing{Call::kOpen};
    const auto failure_of = [](Call call, auto function) {
      failing = call;
      net::sys::set_fault_hook([](Call asked, int) noexcept -> Fault { return {.error = asked == failing ? EIO : 0}; });
      std::error_code error;
      function(error);
      net::sys::set_fault_hook(nullptr);
      return error == std::errc::io_error;
    };
    File file = File::create(path());
    std::array<char, 4> room{};
    EXPECT_TRUE(failure_of(Call::kOpen, [&](auto& e) { static_cast<void>(File::open(path(), e)); }));
    EXPECT_TRUE(failure_of(Call::kOpen, [&](auto& e) { static_cast<void>(read_file(path(), e)); }));
    EXPECT_TRUE(failure_of(Call::kStatus, [&](auto& e) { static_cast<void>(read_file(path(), e)); }));
    EXPECT_TRUE(failure_of(Call::kRead, [&](auto& e) { static_cast<void>(read_file(path(), e)); }));
    EXPECT_TRUE(failure_of(Call::kWrite, [&](auto& e) { write_file(path(), "x", e); }));
    EXPECT_TRUE(failure_of(Call::kClose, [&](auto& e) { write_file(path(), "x", e); }));
    EXPECT_TRUE(failure_of(Call::kRead, [&](auto& e) { file.read_some(room, e); }));
    EXPECT_TRUE(failure_of(Call::kRead, [&](auto& e) { file.read_at(room, 0, e); }));
    EXPECT_TRUE(failure_of(Call::kWrite, [&](auto& e) { file.write_all(room, e); }));
    EXPECT_TRUE(failure_of(Call::kWrite, [&](auto& e) { file.write_at(room, 0, e); }));
    EXPECT_TRUE(failure_of(Call::kSeek, [&](auto& e) { file.seek(0, Whence::kStart, e); }));
    EXPECT_TRUE(failure_of(Call::kTruncate, [&](auto& e) { file.truncate(0, e); }));
    EXPECT_TRUE(failure_of(Call::kStatus, [&](auto& e) { static_cast<void>(file.status(e)); }));
    EXPECT_TRUE(failure_of(Call::kSync, [&](auto& e) { file.sync(e); }));
    EXPECT_TRUE(failure_of(Call::kPipe, [&](auto& e) { static_cast<void>(Pipe::open(e)); }));
    EXPECT_TRUE(failure_of(Call::kEpollAdd, [&](auto& e) { static_cast<void>(Pipe::open(e)); }));
    EXPECT_TRUE(failure_of(Call::kClose, [&](auto& e) { file.close(e); }));
    EXPECT_FALSE(file.is_open());
  });
}

// An eventfd that is in non-blocking mode is the poller's; a device without waiting is not. FIFOs: pipe_test.cc.
TEST_P(FileTest, WhatEpollTakesIsPolled) {
  run([] {
    File event = File::adopt(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    EXPECT_TRUE(event.polled());
    WaitGroup wg;
    std::uint64_t number = 0;
    go_until_parked(wg, [&] { EXPECT_EQ(event.read_some(std::span(&number, 1)), sizeof number); });
    const std::uint64_t three = 3;
    event.write_all(std::span(&three, 1));
    wg.wait();
    EXPECT_EQ(number, 3u);
    EXPECT_FALSE(File::open("/dev/null").polled());
    // In blocking mode it is not: its mode is left alone.
    File blocking_event = File::adopt(::eventfd(1, EFD_CLOEXEC));
    EXPECT_FALSE(blocking_event.polled());
    EXPECT_EQ(blocking_event.read_some(std::span(&number, 1)), sizeof number);
  });
}

TEST_P(FileTest, StandardStreamsAreCopies) {
  run([] {
    File out = standard_output();
    EXPECT_NE(out.native_handle(), STDOUT_FILENO);
    out.close();
    EXPECT_GE(::fcntl(STDOUT_FILENO, F_GETFD), 0);
    EXPECT_TRUE(standard_input().is_open());
    EXPECT_TRUE(standard_error().is_open());
  });
}

// A call that blocks the thread holds up nobody: the writer runs on the reader's processor. Close does not wait for it.
TEST_P(FileTest, BlockingModeBlocksTheThreadOnly) {
  run([] {
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    File reader = File::adopt(fds[0]);
    File writer = File::adopt(fds[1]);
    EXPECT_FALSE(reader.polled());
    WaitGroup wg;
    std::atomic<bool> reading{false};
    wg.go([&] {
      std::array<char, 4> room;
      reading = true;
      EXPECT_EQ(reader.read_some(room), 4u);
    });
    await([&] { return reading.load(); });
    reader.close();
    writer.write_all("late");
    wg.wait();
    EXPECT_EQ(reader.native_handle(), -1) << "closed by who left it last";
  });
}

}  // namespace
}  // namespace creel::test
