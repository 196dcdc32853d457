// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Go's own trace reader as the judge of a trace file: `trace -d=parsed FILE`, run as a subprocess.
//
// The reader is $CREEL_GO_TRACE when set, else it is built once from the Go on the PATH (`go tool trace` would compile
// it at each first use) into a cache folder that all test processes share. Without a Go >= 1.23 the tests that need it
// are skipped, with the reason; with CI set in the environment they fail instead.
//
// Thread safety: all functions. Blocking: the thread, for the subprocess; building takes some 20 s, once.

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace creel::test {

// What a subprocess did.
struct CommandResult {
  int exit_status = -1;     // as waitpid tells it: exit code, or 128 + signal number
  std::string stdout_text;  // empty when a line handler took it
  std::string stderr_text;
};

// Runs `argv` (argv[0] is searched on the PATH) in `directory` ("": the current one) with `environment` ("NAME=value")
// added to ours. Standard output goes to `on_line`, line by line without the newline, or into the result.
// Errors: exit status 127 and a message when the program cannot be started.
CommandResult run_command(const std::vector<std::string>& argv, const std::vector<std::string>& environment = {},
                          const std::string& directory = {},
                          const std::function<void(std::string_view)>& on_line = nullptr);

// Path of the reader; nullopt: there is none (go_trace_missing_reason() says why). Builds it if need be.
std::optional<std::string> find_go_trace();
const std::string& go_trace_missing_reason();

// Path of a `go` that builds programs (>= 1.23), if there is one.
std::optional<std::string> find_go();

// Path of the program in `source_directory` (a Go module without dependencies), built once per content and Go version.
// Requires: find_go() has a value. Errors: std::runtime_error with the compiler's words.
std::string build_go_program(const std::string& source_directory);

// A folder for the files a test writes: $CREEL_TEST_DIR/<suite>.<test>, else below the system's temporary folder.
// Exists.
std::string test_directory();

// The whole answer of the reader; for small traces (others stream: trace_event.h).
struct ParsedTrace {
  int exit_status = -1;
  std::vector<std::string> lines;
  std::string stderr_text;
  [[nodiscard]] bool accepted() const { return exit_status == 0 && stderr_text.empty(); }
};
ParsedTrace parse_trace(const std::string& path);

// Success when the reader accepts the whole file and found at least `min_events` events in it; else its error.
// Requires: find_go_trace() has a value.
testing::AssertionResult trace_accepted(const std::string& path, std::size_t min_events = 1);

// Skips the calling test when there is no Go reader; fails it when CI is set.
#define CREEL_REQUIRE_GO_TRACE()                                                                     \
  do {                                                                                               \
    if (!::creel::test::find_go_trace()) {                                                           \
      if (::std::getenv("CI") != nullptr)                                                            \
        FAIL() << "no Go trace reader, and CI is set: " << ::creel::test::go_trace_missing_reason(); \
      GTEST_SKIP() << "no Go trace reader: " << ::creel::test::go_trace_missing_reason();            \
    }                                                                                                \
  } while (false)

#define EXPECT_TRACE_ACCEPTED(path) EXPECT_TRUE(::creel::test::trace_accepted(path))
#define ASSERT_TRACE_ACCEPTED(path) ASSERT_TRUE(::creel::test::trace_accepted(path))

}  // namespace creel::test
