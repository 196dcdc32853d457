// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The example echo_server, driven from outside: it serves, ends by SIGTERM, and leaves a complete trace.

#include <creel/creel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "test/net/fixture.h"
#include "test/support/go_trace.h"
#include "test/support/trace_summary.h"

namespace creel::test {
namespace {

const std::string kProgram = CREEL_BIN_DIR "/echo_server";

class EchoServerTest : public NetTest {};
INSTANTIATE_TEST_SUITE_P(, EchoServerTest, testing::Values(2), procs_name);

// All the rest of `file`.
std::string rest_of(File& file) {
  std::string text;
  std::array<char, 256> room;
  while (const std::size_t got = file.read_some(room)) text.append(room.data(), got);
  return text;
}

// The next line of `file`, without its end.
std::string line_of(File& file) {
  std::string line;
  std::array<char, 1> next;
  while (file.read_some(next) == 1 && next[0] != '\n') line += next[0];
  return line;
}

TEST_P(EchoServerTest, ServesAndEndsBySignal) {
  if (!std::filesystem::exists(kProgram)) GTEST_SKIP() << kProgram << " is not built";
  const std::string trace = test_directory() + "/trace";
  run([&] {
    for (const int signal : {SIGTERM, SIGINT}) {
      Child server = Child::start({.argv = {"env", "CREEL_TRACE=" + trace, kProgram}, .out = Stdio::pipe(),
                                   .err = Stdio::inherit()});
      const std::string line = line_of(server.out);
      ASSERT_TRUE(line.starts_with("listening at 127.0.0.1:")) << line;
      const std::string address = line.substr(line.rfind(' ') + 1);
      std::vector<net::TcpStream> streams;
      for (int i = 0; i < 10; ++i) streams.push_back(net::TcpStream::connect(address));
      for (int round = 0; round < 3; ++round) {
        for (net::TcpStream& stream : streams) stream.write_all("hello");
        for (net::TcpStream& stream : streams) {
          std::string got(5, ' ');
          stream.read_full(got);
          EXPECT_EQ(got, "hello");
        }
      }
      streams.resize(5);  // some go away; the others are connected when it ends
      server.kill(signal);
      EXPECT_EQ(rest_of(server.out), "10 connections, 150 bytes\n");
      EXPECT_EQ(server.wait(), ExitStatus{});
      std::array<char, 1> room;
      std::error_code error;
      EXPECT_EQ(streams[0].read_some(room, error), 0u) << "it has closed its side";
    }
  });
  CREEL_REQUIRE_GO_TRACE();
  ReadResult read;
  const TraceSummary summary = summarise_trace(trace, read);
  EXPECT_TRUE(read.accepted()) << read.error;
  EXPECT_GT(summary.blocks.at("network"), 0u);
  EXPECT_TRUE(trace_accepted(trace));
}

TEST_P(EchoServerTest, SaysWhatIsWrong) {
  if (!std::filesystem::exists(kProgram)) GTEST_SKIP() << kProgram << " is not built";
  run([] {
    const Output bad = output({.argv = {kProgram, "nowhere"}});
    EXPECT_EQ(bad.status.code, 1);
    EXPECT_THAT(bad.err, testing::HasSubstr("\"nowhere\""));
    EXPECT_EQ(output({.argv = {kProgram, "--help"}}).status.code, 0);
    EXPECT_EQ(output({.argv = {kProgram, "one", "two"}}).status.code, 2);
  });
}

}  // namespace
}  // namespace creel::test
