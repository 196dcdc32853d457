// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Want of memory for a fiber's stack in a whole program, at every call: the program goes on, or ends with a message that
// says what it lacks. What the pool makes of it: test/context/stack_fault_test.cc.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <string>

#include "test/support/go_trace.h"

namespace creel::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kSum = "sum 47850\n";  // 0 + .. + 299 + 3 * 1000

struct Kind {
  const char* name;
  bool repaired;  // there is another way: nobody notices
};

class StackFaultProgram : public ::testing::TestWithParam<Kind> {
 protected:
  static CommandResult run(int number) {
    // `timeout` ends a program that hangs.
    return run_command({"timeout", "--kill-after=5", "60", CREEL_BIN_DIR "/stack_fault_program", GetParam().name,
                        std::to_string(number)});
  }
};

TEST_P(StackFaultProgram, GoesOnOrSaysWhatItLacks) {
  const CommandResult clean = run(0);
  ASSERT_EQ(clean.exit_status, 0) << clean.stderr_text;
  ASSERT_THAT(clean.stdout_text, StartsWith(kSum));
  const int calls = std::stoi(clean.stdout_text.substr(clean.stdout_text.rfind(' ')));
  if (calls == 0) GTEST_SKIP() << "this kernel, or build, makes no such calls";
  for (int number = 1; number <= std::min(calls, 20); ++number) {
    SCOPED_TRACE("call " + std::to_string(number) + " of " + std::to_string(calls));
    const CommandResult result = run(number);
    if (result.exit_status == 0) {
      EXPECT_THAT(result.stdout_text, StartsWith(kSum)) << "somebody was lost";
    } else {
      EXPECT_FALSE(GetParam().repaired) << result.stderr_text;
      EXPECT_EQ(result.exit_status, 128 + SIGABRT) << result.stdout_text << result.stderr_text;
      EXPECT_THAT(result.stderr_text,
                  HasSubstr("no stack for a fiber: cannot create a fiber stack: Cannot allocate memory"));
    }
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(, StackFaultProgram,
                         ::testing::Values(Kind{"map", true}, Kind{"guard", false}, Kind{"protect", false},
                                           Kind{"guards", true}, Kind{"touch", true}, Kind{"nohugepage", true}),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace creel::test
