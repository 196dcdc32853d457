// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "creel/tracer/clock.h"
#include "creel/tracer/emit.h"
#include "creel/tracer/format/varint.h"
#include "creel/tracer/trace.h"
#include "test/support/go_trace.h"
#include "test/tracer/model.h"

namespace creel::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using tracer::RecorderOptions;

std::string save(const std::vector<std::uint8_t>& trace, const std::string& name = "trace.out") {
  const std::string path = test_directory() + "/" + name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(trace.data()), static_cast<std::streamsize>(trace.size()));
  return path;
}

// Main fiber creates one, blocks, is woken by it.
void hand_over_scenario(ModelWorker& w) {
  w.create("second");
  w.block();
  w.start();
  w.unblock();
  w.destroy();
  w.start();
}

class RecorderLevel : public testing::TestWithParam<int> {};

TEST_P(RecorderLevel, GoReadsTheScenario) {
  CREEL_REQUIRE_GO_TRACE();
  Model model(1);
  ModelWorker w(model);
  w.run_new("main");
  std::vector<std::uint8_t> out;
  RecorderOptions options;
  options.level = GetParam();
  ASSERT_FALSE(tracer::start_recording(tracer::memory_sink(out), options));
  hand_over_scenario(w);
  tracer::advance_generation();
  hand_over_scenario(w);
  tracer::advance_generation();
  ASSERT_FALSE(tracer::stop_recording());

  const ParsedTrace parsed = parse_trace(save(out));
  EXPECT_TRUE(parsed.accepted()) << parsed.stderr_text;
  EXPECT_THAT(parsed.lines, Contains(HasSubstr("GoID=2 NotExist->Runnable")));
  EXPECT_THAT(parsed.lines, Contains(HasSubstr("GoID=1 Running->Waiting Reason=\"chan receive\"")));
  EXPECT_THAT(parsed.lines, Contains(HasSubstr("GoID=1 Waiting->Runnable")));
  EXPECT_THAT(parsed.lines, Contains(HasSubstr("GoID=3 Running->NotExist")));
  EXPECT_THAT(parsed.lines, Contains(HasSubstr("worker_callable")));
  EXPECT_THAT(parsed.lines, Contains(HasSubstr("Label=\"second\"")));
  EXPECT_THAT(parsed.lines, Contains(HasSubstr("gomaxprocs")));
}
INSTANTIATE_TEST_SUITE_P(Levels, RecorderLevel, testing::Values(22, 23, 25, 26));

// Batches of a trace as [begin, end) offsets; the header is none of them. Requires: whole batches.
std::vector<std::size_t> batch_ends(const std::vector<std::uint8_t>& trace) {
  std::vector<std::size_t> ends;
  const std::uint8_t* const end = trace.data() + trace.size();
  const std::uint8_t* at = trace.data() + 16;
  while (at != end) {
    EXPECT_EQ(*at, 1) << "at " << at - trace.data();
    std::uint64_t field = 0;
    ++at;
    for (int i = 0; i < 4; ++i) at = tracer::format::get_varint(at, end, field);
    at += field;
    ends.push_back(static_cast<std::size_t>(at - trace.data()));
  }
  return ends;
}

TEST(Recorder, TraceCutAnywhereOpensUpToTheLastWholeGeneration) {
  CREEL_REQUIRE_GO_TRACE();
  Model model(1);
  ModelWorker w(model);
  w.run_new("main");
  std::vector<std::uint8_t> out;
  ASSERT_FALSE(tracer::start_recording(tracer::memory_sink(out), {}));
  for (int i = 0; i < 3; ++i) {
    hand_over_scenario(w);
    tracer::advance_generation();
  }
  ASSERT_FALSE(tracer::stop_recording());
  const ParsedTrace whole = parse_trace(save(out));
  ASSERT_TRUE(whole.accepted()) << whole.stderr_text;

  std::size_t last_shown = 0;
  for (const std::size_t end : batch_ends(out)) {
    const std::vector<std::uint8_t> cut(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(end));
    const ParsedTrace parsed = parse_trace(save(cut, "cut.trace"));
    // Never a wrong event: all that is shown is the beginning of the whole trace (its last Sync apart).
    EXPECT_LE(parsed.lines.size(), whole.lines.size() + 1);
    for (std::size_t i = 0; i + 1 < parsed.lines.size(); ++i) EXPECT_EQ(parsed.lines[i], whole.lines[i]);
    EXPECT_GE(parsed.lines.size(), last_shown) << "a longer file shows less";
    last_shown = parsed.lines.size();
  }
  EXPECT_GE(last_shown, whole.lines.size());
}

// A worker that runs a fiber and never enters a Section again until told to.
class SilentWorker {
 public:
  explicit SilentWorker(Model& model)
      : thread_([this, &model] {
          ModelWorker w(model);
          w.run_new("silent");
          ready_ = true;
          while (!stop_) {
          }
        }) {
    while (!ready_) std::this_thread::yield();
  }
  ~SilentWorker() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> ready_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST(Recorder, SilentWorkersHoldNothingUpAndAppear) {
  CREEL_REQUIRE_GO_TRACE();
  Model model(2);
  std::vector<std::uint8_t> out;
  {
    SilentWorker a(model);
    SilentWorker b(model);
    // Would hang here, not just be slow, if any step waited for the workers.
    ASSERT_FALSE(tracer::start_recording(tracer::memory_sink(out), {}));
    tracer::advance_generation();
    ASSERT_FALSE(tracer::stop_recording());
  }
  const ParsedTrace parsed = parse_trace(save(out));
  EXPECT_TRUE(parsed.accepted()) << parsed.stderr_text;
  for (const char* seen : {"GoID=1 Undetermined->Running", "GoID=2 Undetermined->Running", "GoID=2 Running->Running",
                           "ProcID=1 Running->Running", "gomaxprocs", "worker_callable"}) {
    EXPECT_THAT(parsed.lines, Contains(HasSubstr(seen)));
  }
}

TEST(Recorder, SilentWorkerGoesOnInALaterGeneration) {
  CREEL_REQUIRE_GO_TRACE();
  Model model(1);
  ModelWorker w(model);
  w.run_new();
  std::vector<std::uint8_t> out;
  ASSERT_FALSE(tracer::start_recording(tracer::memory_sink(out), {}));
  w.syscall_enter();
  for (int i = 0; i < 3; ++i) tracer::advance_generation();
  w.syscall_return();
  tracer::advance_generation();
  w.yield();
  ASSERT_FALSE(tracer::stop_recording());
  EXPECT_TRACE_ACCEPTED(save(out));
}

// A worker attached while tracing was off asks, in the first generation, for the one before it; the slot may hold the one
// after it by then. It closed that, and fibers were taken for described.
TEST(Recorder, SlotGivesTheGenerationAskedForOrNone) {
  std::vector<std::uint8_t> out;
  ASSERT_FALSE(tracer::start_recording(tracer::memory_sink(out), {}));
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t number = tracer::g_generation.load() & ~tracer::kFenceBit;
    ASSERT_NE(tracer::generation_slot(number), nullptr);
    EXPECT_EQ(tracer::generation_slot(number)->number, number);
    EXPECT_EQ(tracer::generation_slot(number - 2), nullptr);
    EXPECT_EQ(tracer::generation_slot(number + 2), nullptr);
    EXPECT_EQ(tracer::generation_slot(number + 1), nullptr);
    tracer::advance_generation();
  }
  ASSERT_FALSE(tracer::stop_recording());
}

TEST(Recorder, ThiefInAnOlderSectionFollowsItsVictim) {
  CREEL_REQUIRE_GO_TRACE();
  Model model(1);
  std::vector<std::uint8_t> out;
  ASSERT_FALSE(tracer::start_recording(tracer::memory_sink(out), {}));
  ModelWorker victim(model);
  victim.run_new();
  std::atomic<bool> inside{false};
  std::atomic<bool> entered{false};
  std::thread thief([&] {
    tracer::WorkerTrace trace;
    trace.id = static_cast<std::uint64_t>(::syscall(SYS_gettid));
    tracer::attach(trace);
    {
      tracer::Section section(trace);
      inside = true;
      while (!entered) std::this_thread::yield();
      ModelProc& p = model.proc(0);
      section.proc_steal(p, p.holder.load());
      p.status = tracer::ProcStatus::kIdle;
      p.holder = 0;
    }
    model.put_idle(&model.proc(0));
    tracer::detach(trace);
  });
  while (!inside) std::this_thread::yield();
  const std::uint64_t before = tracer::g_generation.load();
  std::thread advancer([] { tracer::advance_generation(); });
  while (tracer::g_generation.load() == before) std::this_thread::yield();
  victim.syscall_enter();  // one generation ahead of the thief
  entered = true;
  thief.join();
  advancer.join();
  victim.syscall_return(true);
  victim.start();
  ASSERT_FALSE(tracer::stop_recording());
  const ParsedTrace parsed = parse_trace(save(out));
  EXPECT_TRUE(parsed.accepted()) << parsed.stderr_text;
  EXPECT_THAT(parsed.lines, Contains(HasSubstr("ProcID=0 Running->Idle")));
}

TEST(Recorder, SecondStartIsRefused) {
  std::vector<std::uint8_t> out;
  std::vector<std::uint8_t> other;
  ASSERT_FALSE(tracer::start_recording(tracer::memory_sink(out), {}));
  EXPECT_EQ(tracer::start_recording(tracer::memory_sink(other), {}), std::errc::device_or_resource_busy);
  EXPECT_TRUE(tracer::recording());
  EXPECT_FALSE(tracer::stop_recording());
  EXPECT_FALSE(tracer::recording());
  EXPECT_FALSE(tracer::stop_recording()) << "nothing is traced: no error";
  EXPECT_TRUE(other.empty());
}

TEST(Recorder, UnknownLevelIsRefused) {
  std::vector<std::uint8_t> out;
  RecorderOptions options;
  options.level = 24;
  EXPECT_EQ(tracer::start_recording(tracer::memory_sink(out), options), std::errc::invalid_argument);
  EXPECT_THROW((void)trace::start(out, {.level = 27}), std::system_error);
}

TEST(Recorder, UnopenableFileIsRefused) {
  EXPECT_EQ(tracer::start_recording(tracer::file_sink("/nonexistent/trace.out"), {}),
            std::errc::no_such_file_or_directory);
  try {
    (void)trace::start("/nonexistent/trace.out");
    FAIL() << "no exception";
  } catch (const std::system_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nonexistent/trace.out"));
  }
  EXPECT_FALSE(tracer::recording());
}

std::atomic<int> reports{0};

// Traces into `sink` until it fails, and goes on working. Returns what stop_recording() says.
std::error_code trace_until_failure(std::unique_ptr<tracer::Sink> sink, const RecorderOptions& options = {}) {
  Model model(1);
  ModelWorker w(model);
  w.run_new("main");
  reports = 0;
  tracer::set_error_handler([](const std::string&) { ++reports; });
  EXPECT_FALSE(tracer::start_recording(std::move(sink), options));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (tracer::recording() && std::chrono::steady_clock::now() < deadline) hand_over_scenario(w);
  EXPECT_FALSE(tracer::recording()) << "the error did not end the trace";
  for (int i = 0; i < 100; ++i) hand_over_scenario(w);
  const std::error_code error = tracer::stop_recording();
  tracer::set_error_handler(nullptr);
  EXPECT_EQ(reports, 1);
  return error;
}

TEST(RecorderSink, FullDiskEndsTheTrace) {
  EXPECT_EQ(trace_until_failure(tracer::file_sink("/dev/full")), std::errc::no_space_on_device);
}

TEST(RecorderSink, ClosedPipeEndsTheTrace) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  close(fds[0]);
  EXPECT_EQ(trace_until_failure(tracer::fd_sink(fds[1])), std::errc::broken_pipe);
  close(fds[1]);
}

TEST(RecorderSink, ErrorOfACallbackComesBack) {
  const auto refuse = [](std::span<const std::uint8_t>) { return std::make_error_code(std::errc::connection_reset); };
  EXPECT_EQ(trace_until_failure(tracer::callback_sink(refuse)), std::errc::connection_reset);
}

TEST(RecorderSink, SlowSinkEndsTheTraceAtItsBound) {
  std::atomic<bool> release{false};
  RecorderOptions options;
  options.max_buffered_bytes = 1 << 20;
  const auto wait = [&](std::span<const std::uint8_t>) {
    while (!release && tracer::recording()) std::this_thread::yield();
    return std::error_code{};
  };
  // The writer hangs in the sink until the bound has been hit; that shows on the workers' side alone.
  Model model(1);
  ModelWorker w(model);
  w.run_new("main");
  ASSERT_FALSE(tracer::start_recording(tracer::callback_sink(wait), options));
  for (int i = 0; i < 200'000; ++i) hand_over_scenario(w);  // some 15 MB
  release = true;
  EXPECT_EQ(tracer::stop_recording(), std::errc::no_buffer_space);
}

TEST(RecorderSink, HangingSinkIsLeftBehind) {
  static std::atomic<bool> release{false};
  static std::atomic<bool> gone{false};
  struct Hanging final : tracer::Sink {
    ~Hanging() override { gone = true; }
    std::error_code write(std::span<const std::uint8_t>) override {
      while (!release) std::this_thread::yield();
      return {};
    }
  };
  RecorderOptions options;
  options.drain_timeout = std::chrono::milliseconds(20);
  ASSERT_FALSE(tracer::start_recording(std::make_unique<Hanging>(), options));
  EXPECT_EQ(tracer::stop_recording(), std::errc::timed_out);
  std::vector<std::uint8_t> out;
  EXPECT_FALSE(tracer::start_recording(tracer::memory_sink(out), {})) << "the next session works";
  EXPECT_FALSE(tracer::stop_recording());
  release = true;
  while (!gone) std::this_thread::yield();
}

TEST(RecorderSink, FdSinkWritesToANonBlockingSocket) {
  CREEL_REQUIRE_GO_TRACE();
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  std::vector<std::uint8_t> received;
  std::thread reader([&] {
    std::uint8_t chunk[4096];
    for (;;) {
      const ssize_t count = ::read(fds[0], chunk, sizeof(chunk));
      if (count == 0) return;
      if (count > 0) received.insert(received.end(), chunk, chunk + count);
    }
  });
  {
    Model model(1);
    ModelWorker w(model);
    w.run_new("main");
    ASSERT_FALSE(tracer::start_recording(tracer::fd_sink(fds[1]), {}));
    for (int i = 0; i < 20'000; ++i) hand_over_scenario(w);
    EXPECT_FALSE(tracer::stop_recording());
  }
  close(fds[1]);
  reader.join();
  close(fds[0]);
  EXPECT_GT(received.size(), 500'000u);
  EXPECT_TRACE_ACCEPTED(save(received));
}

TEST(Recorder, TimesAreThoseOfTheMonotonicClock) {
  CREEL_REQUIRE_GO_TRACE();
  Model model(1);
  ModelWorker w(model);
  w.run_new();
  std::vector<std::uint8_t> out;
  const std::uint64_t before = tracer::monotonic_ns();
  ASSERT_FALSE(tracer::start_recording(tracer::memory_sink(out), {}));
  w.yield();
  ASSERT_FALSE(tracer::stop_recording());
  const std::uint64_t after = tracer::monotonic_ns();
  const ParsedTrace parsed = parse_trace(save(out));
  ASSERT_TRUE(parsed.accepted()) << parsed.stderr_text;
  std::size_t times = 0;
  for (const std::string& line : parsed.lines) {
    const std::size_t at = line.find(" Time=");
    if (at == std::string::npos) continue;
    const std::uint64_t time = std::stoull(line.substr(at + 6));
    EXPECT_GE(time + 100'000, before);
    EXPECT_LE(time, after + 100'000);
    ++times;
  }
  EXPECT_GT(times, 3u);
}

TEST(TraceApi, AnnotationsOutsideAFiberDoNothing) {
  std::vector<std::uint8_t> out;
  trace::Session session = trace::start(out);
  EXPECT_TRUE(trace::enabled());
  trace::Task task("task");
  EXPECT_NE(task.id(), 0u);
  {
    trace::Region region(task, "region");
  }
  trace::log("category", "message");
  trace::label("label");
  EXPECT_FALSE(session.stop());
  EXPECT_EQ(tracer::recorder_stats().events, 0u);
}

TEST(TraceApi, AnnotationsAppear) {
  CREEL_REQUIRE_GO_TRACE();
  Model model(1);
  ModelWorker w(model);
  w.run_new();
  std::vector<std::uint8_t> out;
  trace::Region before("begun while off");
  {
    trace::Session session = trace::start(out);
    trace::Task task("request");
    trace::Task child(task, "step");
    trace::with_region(child, "work", [&] { trace::log(child, "category", [] { return std::string("lazy text"); }); });
    trace::label("phase two");
    trace::log("category", std::string(5000, 'x'));
    before.end();
  }
  const ParsedTrace parsed = parse_trace(save(out));
  EXPECT_TRUE(parsed.accepted()) << parsed.stderr_text;
  for (const char* seen :
       {"Type=\"request\"", "Type=\"step\"", "Type=\"work\"", "Message=\"lazy text\"", "Label=\"phase two\""}) {
    EXPECT_THAT(parsed.lines, Contains(HasSubstr(seen)));
  }
  EXPECT_THAT(parsed.lines, Not(Contains(HasSubstr("begun while off"))));
}

}  // namespace
}  // namespace creel::test
