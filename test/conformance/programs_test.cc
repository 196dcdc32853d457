// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What Go's reader sees in the traces of creel's own programs: the Mandelbrot experiments and the examples.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/go_trace.h"
#include "test/support/trace_summary.h"

namespace creel::test {
namespace {

constexpr std::size_t kSize = CREEL_MANDELBROT_SIZE;  // of the picture; 512, less in instrumented builds

std::string program(const char* name) { return std::string(CREEL_BIN_DIR "/") + name; }

#define CREEL_REQUIRE_PROGRAM(name)                                                                \
  do {                                                                                             \
    if (!std::filesystem::exists(program(name))) GTEST_SKIP() << program(name) << " is not built"; \
  } while (false)

// The call operator of a named type or of an enclosing lambda may be part of a name.
std::string without_call_operators(std::string name) {
  constexpr std::string_view kOperator = "::operator()";
  for (std::size_t at; (at = name.find(kOperator)) != std::string::npos;) name.erase(at, kOperator.size());
  return name;
}

// Fibers are grouped by what a reader would call them: no empty name, no inside of creel, nothing mangled.
void expect_readable_names(const TraceSummary& summary) {
  for (const auto& [name, count] : summary.groups()) {
    EXPECT_FALSE(name.empty()) << count << " fibers without a name";
    EXPECT_FALSE(name.starts_with("creel::")) << name;
    EXPECT_FALSE(name.starts_with("_Z") || name.starts_with("0x")) << name;
    EXPECT_TRUE(without_call_operators(name).find_first_of("(){}<> /\"'") == std::string::npos) << name;
  }
}

// The trace of one Mandelbrot variant on two processors.
class Mandelbrot : public testing::Test {
 protected:
  void record(const std::string& variant) {
    CREEL_REQUIRE_GO_TRACE();
    CREEL_REQUIRE_PROGRAM("mandelbrot");
    const std::string directory = test_directory();
    const CommandResult result =
        run_command({program("mandelbrot"), "--variant=" + variant, "--size=" + std::to_string(kSize), "--procs=2",
                     "--repeat=1", "--trace-dir=" + directory});
    ASSERT_EQ(result.exit_status, 0) << result.stderr_text;
    path_ = directory + "/" + variant + ".trace";
    ReadResult read;
    summary_ = summarise_trace(path_, read);
    ASSERT_TRUE(read.accepted()) << path_ << ": rejected by Go's reader after " << read.events
                                 << " events: " << read.error;
    expect_readable_names(summary_);
  }
  [[nodiscard]] bool recorded() const { return summary_.events > 0; }

  // The group of fibers other than main's.
  [[nodiscard]] std::string group(std::size_t expected_size) const {
    for (const auto& [name, count] : summary_.groups()) {
      if (count == expected_size && !name.starts_with("runtime.") && count > 1) return name;
    }
    ADD_FAILURE() << "no group of " << expected_size << " fibers in " << path_ << ": "
                  << testing::PrintToString(summary_.groups());
    return {};
  }

  std::string path_;
  TraceSummary summary_;
};

TEST_F(Mandelbrot, Seq) {
  record("seq");
  if (!recorded()) return;
  EXPECT_GE(summary_.generations, 1u);
}

TEST_F(Mandelbrot, PixelCreatesStartsAndEndsOneFiberPerPixel) {
  record("pixel");
  if (!recorded()) return;
  constexpr std::size_t kPixels = kSize * kSize;
  EXPECT_EQ(group(kPixels), "mandelbrot::create_pixel::lambda#1");
  std::size_t created = 0;
  std::size_t started = 0;
  std::size_t ended = 0;
  for (const auto& [id, goroutine] : summary_.goroutines) {
    created += goroutine.created ? 1 : 0;
    started += goroutine.created && goroutine.starts > 0 ? 1 : 0;
    ended += goroutine.created && goroutine.ended ? 1 : 0;
  }
  EXPECT_EQ(created, kPixels);
  EXPECT_EQ(started, kPixels);
  // The program stops its trace only after the last fiber has ended.
  EXPECT_EQ(ended, kPixels);
  EXPECT_EQ(summary_.transitions(State::kNotExist, State::kRunnable), kPixels);
}

TEST_F(Mandelbrot, ColCreatesOneFiberPerColumn) {
  record("col");
  if (!recorded()) return;
  EXPECT_EQ(group(kSize), "mandelbrot::create_col::lambda#1");
  EXPECT_EQ(summary_.transitions(State::kNotExist, State::kRunnable), kSize);
}

TEST_F(Mandelbrot, WorkersBlockOnTheChannelOnBothSides) {
  record("workers");
  if (!recorded()) return;
  EXPECT_EQ(group(8), "mandelbrot::create_workers::lambda#1");
  // Each pixel is a rendezvous, in which one side or the other came first and waited, but for those that meet in
  // between.
  EXPECT_GT(summary_.blocks["chan receive"], kSize) << testing::PrintToString(summary_.blocks);
  EXPECT_GT(summary_.blocks["chan send"], kSize) << testing::PrintToString(summary_.blocks);
}

TEST_F(Mandelbrot, WorkersBuffered) {
  record("workers-buffered");
  if (!recorded()) return;
  EXPECT_EQ(group(8), "mandelbrot::create_workers::lambda#1");
  // There is room for every pixel: the sender never waits.
  EXPECT_EQ(summary_.blocks["chan send"], 0u);
}

TEST_F(Mandelbrot, ColWorkersBufferedKeepsBothProcessorsBusy) {
  record("col-workers-buffered");
  if (!recorded()) return;
  const std::string name = group(8);
  EXPECT_EQ(name, "mandelbrot::create_col_workers::lambda#1");
  EXPECT_EQ(summary_.procs.size(), 2u);
  if (kSize < 512) GTEST_SKIP() << "a picture of " << kSize << " x " << kSize << " is drawn before both workers are warm";
  const auto [begin, end] = summary_.span_of(name);
  for (const std::int64_t proc : {0, 1}) {
    EXPECT_GT(summary_.busy_share(proc, begin, end), 0.95) << "P" << proc << " in the " << (end - begin) / 1000
                                                           << " us from the first worker's start to the last one's end";
  }
}

// Ten fibers that only compute, on one processor.
class Preemption : public testing::TestWithParam<const char*> {};

TEST_P(Preemption, FibersShareOneProcessorInSlices) {
  CREEL_REQUIRE_GO_TRACE();
  CREEL_REQUIRE_PROGRAM(GetParam());
  const std::string path = test_directory() + "/trace";
  const CommandResult result = run_command({program(GetParam()), "100000000"}, {"CREEL_TRACE=" + path});
  ASSERT_EQ(result.exit_status, 0) << result.stderr_text;
  ReadResult read;
  const TraceSummary summary = summarise_trace(path, read);
  ASSERT_TRUE(read.accepted()) << read.error;
  expect_readable_names(summary);

  std::string workers;
  for (const auto& [name, count] : summary.groups()) {
    if (count == 10) workers = name;
  }
  ASSERT_FALSE(workers.empty()) << testing::PrintToString(summary.groups());
  std::map<std::int64_t, int> preempted;  // by fiber
  std::vector<std::int64_t> lengths;
  for (const Slice& slice : summary.slices) {
    if (summary.goroutines.at(slice.goroutine).name != workers) continue;
    EXPECT_EQ(slice.proc, 0);
    if (slice.end_reason != "preempted") continue;
    ++preempted[slice.goroutine];
    lengths.push_back(slice.end - slice.begin);
  }
  EXPECT_EQ(preempted.size(), 10u) << "each of the ten is preempted at least once";
  ASSERT_FALSE(lengths.empty());
  // A slice is 10 ms, plus what the monitor, which looks every 10 ms at the latest, takes to notice. The median bears a
  // busy machine.
  std::ranges::nth_element(lengths, lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2));
  const std::int64_t median = lengths[lengths.size() / 2];
  EXPECT_GT(median, 8'000'000);
  EXPECT_LT(median, 30'000'000);
  const auto [begin, end] = summary.span_of(workers);
  EXPECT_GT(summary.busy_share(0, begin, end), 0.95);

  if (GetParam() != std::string_view("preempt")) return;
  // One region per fiber, all of the task.
  std::set<std::string> regions;
  for (const RegionInfo& region : summary.regions) {
    EXPECT_TRUE(region.ended) << region.type;
    regions.insert(region.type);
  }
  EXPECT_EQ(regions.size(), 10u) << testing::PrintToString(regions);
}

INSTANTIATE_TEST_SUITE_P(Examples, Preemption, testing::Values("preempt", "preempt_loops"),
                         [](const auto& example) { return std::string(example.param); });

TEST(Examples, TasksShowsTasksRegionsAndLogs) {
  CREEL_REQUIRE_GO_TRACE();
  CREEL_REQUIRE_PROGRAM("tasks");
  const std::string path = test_directory() + "/trace";
  const CommandResult result = run_command({program("tasks")}, {"CREEL_TRACE=" + path});
  ASSERT_EQ(result.exit_status, 0) << result.stderr_text;
  ReadResult read;
  const TraceSummary summary = summarise_trace(path, read);
  ASSERT_TRUE(read.accepted()) << read.error;
  expect_readable_names(summary);

  ASSERT_EQ(summary.tasks.size(), 2u);
  const auto& [outer_id, outer] = *summary.tasks.begin();
  const TaskInfo& inner = std::next(summary.tasks.begin())->second;
  EXPECT_EQ(outer.type, "main start");
  EXPECT_EQ(outer.parent, -1) << "no parent: the reader's NoTask";
  EXPECT_TRUE(outer.ended);
  EXPECT_EQ(inner.type, "check");
  EXPECT_EQ(inner.parent, outer_id);
  EXPECT_TRUE(inner.ended);
  std::multiset<std::string> regions;
  for (const RegionInfo& region : summary.regions) {
    EXPECT_TRUE(region.ended) << region.type;
    regions.insert(region.type);
  }
  EXPECT_EQ(regions, (std::multiset<std::string>{"comparing", "reading file", "writing file"}));
  std::multiset<std::string> categories;
  for (const LogInfo& log : summary.logs) categories.insert(log.category);
  EXPECT_EQ(categories, (std::multiset<std::string>{"I/O", "I/O", "result"}));
  EXPECT_GE(summary.transitions(State::kRunning, State::kSyscall), 2u) << "the file calls are syscalls";
}

// Each example that ends well leaves an accepted trace in which every fiber has a readable name.
class ExampleTrace : public testing::TestWithParam<const char*> {};

TEST_P(ExampleTrace, IsAccepted) {
  CREEL_REQUIRE_GO_TRACE();
  CREEL_REQUIRE_PROGRAM(GetParam());
  const std::string path = test_directory() + "/trace";
  const CommandResult result = run_command({program(GetParam())}, {"CREEL_TRACE=" + path});
  ASSERT_EQ(result.exit_status, 0) << result.stderr_text;
  ReadResult read;
  const TraceSummary summary = summarise_trace(path, read);
  ASSERT_TRUE(read.accepted()) << read.error;
  EXPECT_GT(summary.events, 50u);
  expect_readable_names(summary);
}

INSTANTIATE_TEST_SUITE_P(Examples, ExampleTrace, testing::Values("ping_pong", "sieve", "pipeline"),
                         [](const auto& example) { return std::string(example.param); });

}  // namespace
}  // namespace creel::test
