// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Threads that creel did not start, against C threads that call back into Go (cgo/): in the trace their goroutines must take
// the same course from their creation in a syscall to their end.
//
// Where the processor of a syscall may be taken away or not, by the machine's moods, both sides count as the same. In Go a
// thread that is late finds what it would have waited for, so Go's courses form a set; on creel the main fiber sees that the
// thread waits. Not compared: sending to who waits and unlocking, for which a thread outside needs no processor on creel.

#include <creel/creel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "test/support/go_trace.h"
#include "test/support/trace_event.h"

namespace creel::test {
namespace {

using namespace std::chrono_literals;

constexpr int kRounds = 50;

// What a thread and the main fiber do: the same as in cgo/courses.go.
struct Course {
  const char* name;
  void (*thread)();
  void (*serve)();
};

// Until a fiber, that of the thread, waits like this.
void await_wait(const char* reason) {
  while (dump().find(reason) == std::string::npos) yield();
}

Channel<int> values;
Mutex held;  // by the main fiber while a thread starts

const std::vector<Course> kCourses = {
    {"receive", [] { values.recv(); },
     [] {
       await_wait("[chan receive");
       values.send(1);
     }},
    {"twice",
     [] {
       values.recv();
       values.recv();
     },
     [] {
       await_wait("[chan receive");
       values.send(1);
       await_wait("[chan receive");
       values.send(1);
     }},
    {"create", [] { go([] { values.send(1); }); }, [] { values.recv(); }},
    {"lock",
     [] {
       held.lock();
       held.unlock();
     },
     [] { await_wait("[sync"); }},
    {"sleep", [] { sleep_for(1ms); }, [] {}},
};

// How often each course of a goroutine created in a syscall was taken. Without preemptions: whether a call takes longer than a
// slice depends on the machine.
std::map<std::string, int> courses_in(const std::string& path) {
  std::map<std::int64_t, std::string> open;
  std::map<std::string, int> count;
  std::set<std::int64_t> preempted;
  const ReadResult result = read_trace(path, [&](const Event& event) {
    if (!event.is_goroutine_transition() || event.from == event.to) return;
    if (event.from == State::kNotExist && event.to == State::kSyscall) open[event.id] = "created in a syscall\n";
    const auto found = open.find(event.id);
    if (found == open.end()) return;
    std::string& course = found->second;
    if (event.from == State::kRunning && event.to == State::kRunnable && event.reason == "preempted") {
      preempted.insert(event.id);
      return;
    }
    if (event.to == State::kRunning && preempted.erase(event.id) != 0) return;
    if (event.to == State::kNotExist) {
      ++count[course + "destroyed\n"];
      open.erase(found);
    } else if (event.from == State::kSyscall || (event.from == State::kRunnable && course.ends_with("back\n"))) {
      if (!course.ends_with("back\n")) course += "back\n";  // with its processor, or by way of Runnable
    } else if (event.from != State::kNotExist) {
      course += std::string(to_string(event.from)) + "->" + std::string(to_string(event.to)) + " " + event.reason + "\n";
    }
  });
  EXPECT_TRUE(result.accepted()) << path << ": rejected by Go's reader: " << result.error;
  return count;
}

void PrintTo(const Course& course, std::ostream* out) { *out << course.name; }

class OutsideThreads : public testing::TestWithParam<Course> {};

TEST_P(OutsideThreads, TakeTheCourseOfCThreadsInGo) {
  CREEL_REQUIRE_GO_TRACE();
  if (run_command({"go", "env", "CGO_ENABLED"}).stdout_text != "1\n") {
    ASSERT_EQ(std::getenv("CI"), nullptr) << "no cgo, and CI is set";
    GTEST_SKIP() << "no cgo: go env CGO_ENABLED is not 1 (needs a C compiler)";
  }
  const Course& course = GetParam();
  const std::string directory = test_directory();
  const std::string go_path = directory + "/go.trace";
  const CommandResult go_run = run_command({build_go_program(CREEL_CONFORMANCE_GO_DIR "/../cgo"), "-out", go_path, "-course",
                                            course.name, "-rounds", std::to_string(kRounds)});
  ASSERT_EQ(go_run.exit_status, 0) << go_run.stderr_text;
  const std::map<std::string, int> expected = courses_in(go_path);

  const std::string path = directory + "/creel.trace";
  Options options;
  options.procs = 2;
  ASSERT_EQ(run(options, [&] {
    trace::Session session = trace::start(path);
    const ExpectThreads expect;
    for (int round = 0; round < kRounds; ++round) {
      held.lock();
      std::thread thread(course.thread);
      course.serve();
      held.unlock();
      blocking([&thread] { thread.join(); });
    }
    EXPECT_FALSE(session.stop());
  }), 0);
  const std::map<std::string, int> taken = courses_in(path);
  int threads = 0;
  for (const auto& [text, count] : taken) {
    EXPECT_TRUE(expected.contains(text)) << count << " threads took a course that none in Go takes:\n" << text << "Go's first:\n"
                                         << (expected.empty() ? "none" : expected.begin()->first);
    threads += count;
  }
  EXPECT_EQ(threads, kRounds);
}

INSTANTIATE_TEST_SUITE_P(, OutsideThreads, testing::ValuesIn(kCourses),
                         [](const auto& course) { return std::string(course.param.name); });

}  // namespace
}  // namespace creel::test
