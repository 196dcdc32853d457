// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What outlives what: fibers, their locals and the runtime itself, seen from the fiber and from other threads.
// The tests of dump() say most with the address sanitizer.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "test/runtime/fixture.h"
#include "test/support/go_trace.h"
#include "test/support/trace_summary.h"

namespace creel::test {
namespace {

// A thread that calls `f` again and again until it is stopped.
class Repeating {
 public:
  template <typename F>
  explicit Repeating(F f)
      : thread_([this, f]() mutable {
          while (!stop_.load()) {
            f();
            calls_.fetch_add(1);
          }
        }) {}
  ~Repeating() {
    stop_.store(true);
    thread_.join();
  }
  Repeating(const Repeating&) = delete;
  Repeating& operator=(const Repeating&) = delete;
  [[nodiscard]] long calls() const { return calls_.load(); }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<long> calls_{0};
  std::thread thread_;  // last: it uses the others
};

// --- Other threads ask about the runtime

const std::string kNameBegin = "<a name longer than what a std::string holds in itself ";
const std::string kNameEnd = " and its end>";

// Adds every quoted name of the dump to `names`. Returns whether there was one.
bool collect_names(const std::string& text, std::set<std::string>& names) {
  bool any = false;
  for (std::size_t at = text.find('"'); at != std::string::npos; at = text.find('"', at)) {
    any = true;
    const std::size_t end = text.find('"', at + 1);
    if (end == std::string::npos) {
      names.insert(text.substr(at));
      break;
    }
    names.insert(text.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return any;
}

TEST(OtherThreads, DumpWhileNamedFibersComeAndGo) {
  const Watchdog watchdog;
  std::set<std::string> names;
  run_with(2, [&names] {
    std::atomic<int> caught{0};  // dumps with named fibers
    const Repeating dumper([&] {
      if (collect_names(creel::dump(), names)) caught.fetch_add(1);
    });
    int serial = 0;
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (caught.load() < 200 && std::chrono::steady_clock::now() < deadline) {
      creel::WaitGroup group;
      for (int i = 0; i < 200; ++i) {
        group.go({.name = kNameBegin + std::to_string(serial++) + kNameEnd}, [] { creel::yield(); });
      }
      group.wait();
    }
    EXPECT_GT(caught.load(), 0) << "of " << dumper.calls() << " dumps";
  });
  for (const std::string& name : names) {
    EXPECT_TRUE(name.starts_with(kNameBegin) && name.ends_with(kNameEnd)) << '"' << name << '"';
  }
}

TEST(OtherThreads, AskWhileTheRuntimeStartsAndStops) {
  const Watchdog watchdog;
  std::atomic<long> alive{0};
  const Repeating asker([&alive] {
    const std::string text = creel::dump();
    const std::uint32_t procs = creel::procs();
    const std::size_t fibers = creel::fiber_count();
    EXPECT_TRUE(procs == 0 || procs == 2) << procs;
    EXPECT_LE(fibers, 51u);
    if (!text.empty() || procs != 0 || fibers != 0) alive.fetch_add(1);
  });
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  for (int round = 0; round < 300 && std::chrono::steady_clock::now() < deadline; ++round) {
    run_with(2, [] {
      creel::WaitGroup group;
      for (int i = 0; i < 50; ++i) group.go([] { creel::yield(); });
      group.wait();
    });
  }
  run_with(2, [&alive] { await([&alive] { return alive.load() > 0; }); });
  EXPECT_GT(asker.calls(), 0);
}

// --- A worker that run() had to leave behind

class Abandoned : public DeathTest {};

// By builtins: of std::atomic's functions the linker may, without optimisation, take the copies that test_runtime_loops was
// compiled with, which are safe points.
bool released = false;
std::atomic<bool> let_go{false};

void traced_run(const std::string& path, const std::function<void()>& body) {
  const creel::Options options{.procs = 2, .trace = path, .log_level = "error"};
  creel::run(options, [&body] {
    creel::WaitGroup group;
    for (int i = 0; i < 20; ++i) {
      group.go([] {
        creel::yield();
        creel::sleep_for(1ms);
      });
    }
    body();
    group.wait();
  });
}

// Run 1 leaves a worker behind in a loop without safe points; run 2 is traced beside it, run 3 while it goes on.
[[noreturn]] void run_beside_an_abandoned_worker(const std::string& directory) {
  creel::run({.procs = 2, .log_level = "error"}, [] {
    std::atomic<bool> begun{false};
    creel::go([&begun] {
      begun.store(true);
      while (!__atomic_load_n(&released, __ATOMIC_ACQUIRE)) {
      }
      let_go.store(true);
    });
    await([&begun] { return begun.load(); });
  });
  traced_run(directory + "/beside", [] {});
  traced_run(directory + "/released", [] {
    __atomic_store_n(&released, true, __ATOMIC_RELEASE);
    await([] { return let_go.load(); });
    creel::sleep_for(5ms);  // time for the fiber to end on its worker
  });
  std::_Exit(let_go.load() ? 0 : 1);  // no exit handlers, no leak check: the old scheduler is left behind on purpose
}

TEST_F(Abandoned, WorkersDoNotAppearInTheNextTrace) {
  CREEL_REQUIRE_GO_TRACE();
  const std::string directory = test_directory();
  EXPECT_EXIT(run_beside_an_abandoned_worker(directory), testing::ExitedWithCode(0), "");
  for (const char* name : {"/beside", "/released"}) {
    ReadResult result;
    const TraceSummary summary = summarise_trace(directory + name, result);
    EXPECT_TRUE(result.accepted()) << name << ": " << result.error;
    EXPECT_LE(summary.procs.size(), 2u) << name;
    EXPECT_GE(summary.transitions(State::kWaiting, State::kRunnable), 20u) << name;  // the sleepers
  }
}

// --- FiberLocals in destructors

struct Note {
  int value = 0;
};

// Its destructor uses another local of the fiber, one that was made before it.
struct ReadsAnother {
  ~ReadsAnother() {
    if (note == nullptr) return;
    *seen = (*note)->value;
    (*note)->value = 7;
    again->store((*note)->value);
  }
  creel::FiberLocal<Note>* note = nullptr;
  int* seen = nullptr;
  std::atomic<int>* again = nullptr;  // set last: whoever sees it sees *seen
};

class FiberLocals : public RuntimeTest {};
INSTANTIATE_RUNTIME_TEST(FiberLocals);

TEST_P(FiberLocals, ADestructorSeesTheFibersOtherValues) {
  creel::FiberLocal<Note> note;
  creel::FiberLocal<ReadsAnother> reader;
  int seen = 0;
  std::atomic<int> again{0};
  run([&] {
    creel::spawn([&] {
      note->value = 42;
      reader->seen = &seen;
      reader->again = &again;
      reader->note = &note;
    }).join();
    await([&again] { return again.load() != 0; });
  });
  EXPECT_EQ(seen, 42);
  EXPECT_EQ(again.load(), 7);
}

// Where a value was made and destroyed.
struct Places {
  std::uint64_t made;
  std::uint64_t destroyed;
};

std::atomic<int> places_left{0};
std::vector<Places>* places = nullptr;  // guarded by places_mutex
std::mutex places_mutex;

struct Witness {
  ~Witness() {
    creel::yield();  // on its fiber it may park
    {
      const std::lock_guard lock(places_mutex);
      places->push_back({made, creel::this_fiber::id()});
    }
    places_left.fetch_sub(1);
  }
  std::uint64_t made = creel::this_fiber::id();
};

struct MakesAnother {
  ~MakesAnother() {
    if (witness != nullptr) static_cast<void>(**witness);
  }
  creel::FiberLocal<Witness>* witness = nullptr;
};

TEST_P(FiberLocals, WhatADestructorMakesIsDestroyedOnTheSameFiber) {
  creel::FiberLocal<Witness> witness;
  creel::FiberLocal<MakesAnother> maker;
  std::vector<Places> found;
  places = &found;
  constexpr int kFibers = 50;
  places_left.store(kFibers);
  run([&] {
    for (int i = 0; i < kFibers; ++i) {
      creel::go([&] {
        maker->witness = &witness;
        creel::yield();
      });
    }
    await([] { return places_left.load() == 0; });
  });
  ASSERT_EQ(found.size(), static_cast<std::size_t>(kFibers));
  std::set<std::uint64_t> fibers;
  for (const Places& place : found) {
    EXPECT_NE(place.destroyed, 0u);
    EXPECT_EQ(place.made, place.destroyed);
    fibers.insert(place.destroyed);
  }
  EXPECT_EQ(fibers.size(), static_cast<std::size_t>(kFibers));
}

}  // namespace
}  // namespace creel::test
