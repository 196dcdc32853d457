// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Child processes, of /bin/sh and the like. Go's tests of the same behaviour are named next to each.

#include <creel/creel.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "test/net/fixture.h"

namespace creel::test {
namespace {

using net::sys::Call;
using net::sys::Fault;
using testing::HasSubstr;

class ProcessTest : public NetTest {
 protected:
  // Nobody leaves a zombie, or a child that runs.
  ~ProcessTest() override {
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1) << "child " << info.si_pid;
    EXPECT_EQ(errno, ECHILD);
  }
};
INSTANTIATE_RUNTIME_TEST(ProcessTest);

Command shell(const std::string& script) { return {.argv = {"/bin/sh", "-c", script}}; }

// Go: TestEcho, TestOutputStderrCapture, TestExitStatus (os/exec).
TEST_P(ProcessTest, Output) {
  run([] {
    const Output result = output(shell("echo out; echo err >&2; exit 3"));
    EXPECT_EQ(result.out, "out\n");
    EXPECT_EQ(result.err, "err\n");
    EXPECT_EQ(result.status, (ExitStatus{3, 0}));
    EXPECT_FALSE(result.status.success());
    EXPECT_EQ(result.status.to_string(), "exit status 3");
    EXPECT_EQ(output({.argv = {"true"}}).status, ExitStatus{}) << "found along the PATH";
    Command both = shell("echo out; echo err >&2");
    both.err = Stdio::as_output();
    EXPECT_EQ(output(both).out, "out\nerr\n");
    const Output killed = output(shell("kill -TERM $$"));
    EXPECT_EQ(killed.status, (ExitStatus{-1, SIGTERM}));
    EXPECT_THAT(killed.status.to_string(), HasSubstr("Terminated"));
  });
}

// Go: TestCatStdin, TestStdinClose, TestStdinCloseRace (os/exec).
TEST_P(ProcessTest, Input) {
  run([] {
    const std::string text(300'000, 'i');  // more than pipes hold
    EXPECT_EQ(output({.argv = {"cat"}}, {.input = text}).out, text);
    EXPECT_TRUE(output({.argv = {"true"}}, {.input = text}).status.success()) << "it need not read it";
    EXPECT_EQ(output({.argv = {"cat"}}).out, "") << "nothing by default";
  });
}

TEST_P(ProcessTest, OutputIsBounded) {
  run([] {
    const Command lines = shell("i=0; while [ $i -lt 1000 ]; do echo 123456789; i=$((i+1)); done");
    const Output result = output(lines, {.limit = 25});
    EXPECT_EQ(result.out, "123456789\n123456789\n12345");
    EXPECT_TRUE(result.truncated);
    EXPECT_TRUE(result.status.success()) << "it was not held up";
    EXPECT_FALSE(output(shell("printf 12345"), {.limit = 5}).truncated);
  });
}

// Go: TestPipes (os/exec).
TEST_P(ProcessTest, Conversation) {
  run([] {
    Child child = Child::start({.argv = {"cat"}, .in = Stdio::pipe(), .out = Stdio::pipe()});
    EXPECT_GT(child.pid(), 0);
    EXPECT_FALSE(child.err.is_open());
    std::array<char, 5> room;
    for (const char* word : {"first", "third", "fifth"}) {
      child.in.write_all(std::string_view(word));
      child.out.read_full(room);
      EXPECT_EQ(std::string_view(room.data(), 5), word);
    }
    child.in.close();
    EXPECT_EQ(child.out.read_some(room), 0u);
    EXPECT_TRUE(child.wait().success());
    EXPECT_TRUE(child.wait().success()) << "again";
  });
}

TEST_P(ProcessTest, SeveralWaitAtOnce) {
  run([] {
    Child child = Child::start({.argv = {"cat"}, .in = Stdio::pipe()});
    WaitGroup wg;
    for (int i = 0; i < 3; ++i) {
      go_until_parked(wg, [&] { EXPECT_TRUE(child.wait().success()); });
    }
    child.in.close();
    wg.wait();
  });
}

TEST_P(ProcessTest, AContextKillsThoughAnotherFiberWaitsBefore) {
  run([] {
    Child child = Child::start({.argv = {"sleep", "1000"}});
    auto [context, cancel] = Context::background().with_cancel();
    WaitGroup wg;
    go_until_parked(wg, [&] { EXPECT_EQ(child.wait(), (ExitStatus{-1, SIGKILL})); });
    go_until_parked(wg, [&, given = context] { EXPECT_EQ(child.wait(given), (ExitStatus{-1, SIGKILL})); });
    cancel();
    wg.wait();
  });
}

// Go: TestContext, TestContextCancel (os/exec).
TEST_P(ProcessTest, AContextKills) {
  run([] {
    Child child = Child::start({.argv = {"sleep", "1000"}});
    auto [context, cancel] = Context::background().with_cancel();
    WaitGroup wg;
    go_until_parked(wg, [&, given = context] { EXPECT_EQ(child.wait(given), (ExitStatus{-1, SIGKILL})); });
    cancel();
    wg.wait();
    std::error_code error;
    const Context short_one = Context::background().with_timeout(1ms);
    const Output result = output({.argv = {"sleep", "1000"}}, {.context = short_one}, error);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_EQ(result.status.signal, SIGKILL);
    // One that has ended by itself is not harmed.
    Child ended = Child::start({.argv = {"true"}});
    EXPECT_TRUE(ended.wait().success());
    EXPECT_TRUE(ended.wait(context).success());
  });
}

TEST_P(ProcessTest, Kill) {
  run([] {
    Child child = Child::start({.argv = {"sleep", "1000"}});
    child.kill(SIGTERM);
    EXPECT_EQ(child.wait(), (ExitStatus{-1, SIGTERM}));
    std::error_code error;
    child.kill(SIGTERM, error);
    EXPECT_EQ(error, std::errc::no_such_process);
  });
}

// Nobody waited for it: it does not outlive its handle.
TEST_P(ProcessTest, TheHandlesEndIsTheChilds) {
  run([] {
    pid_t pid = 0;
    {
      Child child = Child::start({.argv = {"sleep", "1000"}});
      pid = child.pid();
      Child moved = std::move(child);
      EXPECT_EQ(moved.pid(), pid);
      EXPECT_EQ(child.pid(), -1);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    Child replaced = Child::start({.argv = {"sleep", "1000"}});
    replaced = Child::start({.argv = {"true"}});
    EXPECT_TRUE(replaced.wait().success());
  });
}

// Go: TestNoExistExecutable, TestExecutable..., TestDirectory (os/exec), TestStartProcess (os).
TEST_P(ProcessTest, WhatCannotBeStarted) {
  run([] {
    std::error_code error;
    static_cast<void>(Child::start({.argv = {"/nonexistent/program"}, .out = Stdio::pipe()}, error));
    EXPECT_EQ(error, std::errc::no_such_file_or_directory);
    static_cast<void>(Child::start({.argv = {"nonexistent-program"}}, error));
    EXPECT_EQ(error, std::errc::no_such_file_or_directory);
    static_cast<void>(Child::start({.argv = {"/"}}, error));
    EXPECT_EQ(error, std::errc::permission_denied);
    try {
      static_cast<void>(Child::start({.argv = {"true"}, .directory = "/nonexistent/place"}));
      ADD_FAILURE();
    } catch (const std::system_error& thrown) {
      EXPECT_EQ(thrown.code(), std::errc::no_such_file_or_directory);
      EXPECT_THAT(thrown.what(), HasSubstr("/nonexistent/place"));
      EXPECT_THAT(thrown.what(), HasSubstr("true"));
    }
    static_cast<void>(Child::start({}, error));
    EXPECT_EQ(error, std::errc::invalid_argument);
    static_cast<void>(Child::start({.argv = {"true", std::string("a\0b", 3)}}, error));
    EXPECT_EQ(error, std::errc::invalid_argument);
    static_cast<void>(Child::start({.argv = {"true"}, .out = Stdio::as_output()}, error));
    EXPECT_EQ(error, std::errc::invalid_argument);
    static_cast<void>(Child().wait(error));
    EXPECT_EQ(error, std::errc::no_child_process);
    EXPECT_THROW(static_cast<void>(output({.argv = {"/nonexistent/program"}})), std::system_error);
  });
}

// Go: TestDedupEnvEcho, TestEnvOverride..., TestDir (os/exec).
TEST_P(ProcessTest, EnvironmentAndDirectory) {
  run([] {
    Command command = shell("echo $CREEL_TEST_VARIABLE; pwd");
    command.environment = {"CREEL_TEST_VARIABLE=value"};
    command.directory = "/usr";
    EXPECT_EQ(output(command).out, "value\n/usr\n");
    EXPECT_EQ(output({.argv = {"/usr/bin/env"}, .environment = std::vector<std::string>{}}).out, "");
    EXPECT_NE(output({.argv = {"env"}}).out, "") << "this process's";
  });
}

// Go: TestExtraFilesFDShuffle's and TestExtraFiles' negative half, TestPipeLookPathLeak.
TEST_P(ProcessTest, NothingLeaksIntoTheChild) {
  run([] {
    const int careless = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
    Pipe pipe = Pipe::open();
    // ls itself opens the folder.
    EXPECT_EQ(output(shell("cd /proc/self/fd && for f in *; do [ -e $f ] && echo $f; done")).out, "0\n1\n2\n");
    ::close(careless);
  });
}

TEST_P(ProcessTest, Files) {
  run([] {
    const std::string path = test_directory() + "/out";
    write_file(path + ".in", "from a file");
    File in = File::open(path + ".in");
    File out = File::create(path);
    Child child = Child::start({.argv = {"cat"}, .in = Stdio::file(in), .out = Stdio::file(out)});
    EXPECT_TRUE(child.wait().success());
    EXPECT_EQ(read_file(path), "from a file");
    // Two children, joined by a pipe.
    Pipe pipe = Pipe::open();
    Child first = Child::start({.argv = {"echo", "joined"}, .out = Stdio::file(pipe.writer)});
    Child second = Child::start({.argv = {"cat"}, .in = Stdio::file(pipe.reader), .out = Stdio::pipe()});
    pipe.writer.close();
    pipe.reader.close();
    std::string got(7, ' ');
    second.out.read_full(got);
    EXPECT_EQ(got, "joined\n");
    EXPECT_TRUE(first.wait().success());
    EXPECT_TRUE(second.wait().success());
    std::error_code error;
    static_cast<void>(Child::start({.argv = {"cat"}, .in = Stdio::file(File())}, error));
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
  });
}

TEST_P(ProcessTest, ManyAtOnce) {
  run([] {
    WaitGroup wg;
    for (int i = 0; i < 8; ++i) {
      wg.go([i] {
        const std::string number = std::to_string(i);
        EXPECT_EQ(output({.argv = {"echo", number}}).out, number + "\n");
      });
    }
    wg.wait();
  });
}

// A kernel without pidfd_open(2): waiting takes a thread, and all else is the same.
TEST_P(ProcessTest, WithoutPidFd) {
  run([] {
    net::sys::set_fault_hook([](Call call, int) noexcept -> Fault {
      static std::atomic<bool> odd{false};
      if (call == Call::kWaitChild && odd.exchange(!odd)) return {.error = EINTR};
      return {.error = call == Call::kPidFd ? ENOSYS : 0};
    });
    EXPECT_EQ(output(shell("echo out; exit 3")).status.code, 3);
    Child child = Child::start({.argv = {"sleep", "1000"}});
    EXPECT_EQ(child.wait(Context::background().with_timeout(1ms)).signal, SIGKILL);
    { Child dropped = Child::start({.argv = {"sleep", "1000"}}); }
    net::sys::set_fault_hook(nullptr);
  });
}

TEST_P(ProcessTest, FailuresLeaveNothingBehind) {
  run([] {
    static std::atomic<Call> failing{Call::kPipe};
    for (const Call call : {Call::kPipe, Call::kEpollAdd, Call::kSpawn, Call::kDuplicate}) {
      failing = call;
      File null = File::open("/dev/null");
      net::sys::set_fault_hook([](Call asked, int) noexcept -> Fault { return {.error = asked == failing ? EIO : 0}; });
      std::error_code error;
      static_cast<void>(Child::start({.argv = {"true"}, .in = Stdio::pipe(), .out = Stdio::file(null)}, error));
      net::sys::set_fault_hook(nullptr);
      EXPECT_EQ(error, std::errc::io_error) << static_cast<int>(call);
    }
  });
}

TEST_P(ProcessTest, TheTraceIsAccepted) {
  CREEL_REQUIRE_GO_TRACE();
  const std::string path = test_directory() + "/trace";
  run([&] {
    trace::Session session = trace::start(path);
    EXPECT_EQ(output({.argv = {"cat"}}, {.input = "traced"}).out, "traced");
    EXPECT_FALSE(session.stop());
  });
  EXPECT_TRACE_ACCEPTED(path);
}

}  // namespace
}  // namespace creel::test
