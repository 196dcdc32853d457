// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/dump.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <source_location>
#include <string>
#include <tuple>
#include <vector>

#include "creel/sched/scheduler.h"
#include "creel/tracer/block_reason.h"
#include "creel/tracer/frame_name.h"
#include "creel/tracer/frames.h"
#include "creel/tracer/recorder.h"
#include "creel/tracer/stack_walk.h"

namespace creel::sched {

using tracer::FiberStatus;

namespace {

const char* state_name(FiberStatus status) noexcept {
  switch (status) {
    case FiberStatus::kDead: return "dead";
    case FiberStatus::kRunnable: return "runnable";
    case FiberStatus::kRunning: return "running";
    case FiberStatus::kSyscall: return "blocking call";
    case FiberStatus::kWaiting: return "waiting";
  }
  return "unknown";
}

struct Group {
  std::string state;                  // as shown
  std::vector<std::string> frames;    // leaf first
  std::vector<std::string> members;   // "7 \"name\""
  std::uint64_t total = 0;
  std::int64_t oldest_ns = -1;        // longest wait
};

constexpr std::size_t kShownMembers = 20;

std::string describe(const tracer::LogicalFrame& frame) {
  return *frame.function + "\n        " + *frame.file + ":" + std::to_string(frame.line);
}

std::vector<std::string> frames_of(const tracer::StackKey& key) {
  std::vector<const tracer::LogicalFrame*> resolved;
  tracer::frame_table().resolve(key.span(), resolved);
  std::vector<std::string> frames;
  for (const tracer::LogicalFrame* frame : resolved) frames.push_back(describe(*frame));
  return frames;
}

// A fiber as it was at some moment. It may change while it is copied: each word is read once, from memory that stays valid
// (FiberPool), and at worst the picture mixes two moments. Deliberately unsynchronised, so TSan is not asked.
struct Snapshot {
  std::uint64_t id;
  tracer::BlockReason reason;
  std::int64_t since_ns;
  std::uint64_t creator;
  std::source_location site;
};
__attribute__((noinline, no_sanitize("thread"))) void take(const Fiber& fiber, Snapshot& snapshot) noexcept {
  snapshot.id = fiber.id;
  snapshot.reason = fiber.reason;
  snapshot.since_ns = fiber.since_ns;
  snapshot.creator = fiber.creator;
  snapshot.site = fiber.site;
}

std::string creation(std::uint64_t creator, const std::source_location& site) {
  const std::string by = creator == 0 ? "created by creel::run()" : "created by fiber " + std::to_string(creator);
  return by + " in " + tracer::shorten_function(site.function_name()) + "\n        " + site.file_name() + ":" +
         std::to_string(site.line());
}

void add_fiber(Scheduler& s, Fiber& fiber, std::map<std::vector<std::string>, Group>& groups) {
  const FiberStatus status = fiber.status.load(std::memory_order_acquire);  // pairs with submit_fiber()
  if (status == FiberStatus::kDead) return;
  Snapshot snapshot;
  take(fiber, snapshot);
  std::string state = state_name(status);
  std::int64_t age = -1;
  if (status == FiberStatus::kWaiting) {
    state = std::string(tracer::to_string(snapshot.reason));
    age = now_ns() - snapshot.since_ns;
  }
  tracer::StackKey key;
  if (status == FiberStatus::kWaiting || status == FiberStatus::kRunnable) {
    tracer::parked_stack(fiber, key);
  } else {
    tracer::start_stack(fiber, key);
  }
  std::vector<std::string> frames = frames_of(key);
  frames.push_back(creation(snapshot.creator, snapshot.site));

  std::vector<std::string> identity = frames;
  identity.push_back(state);
  Group& group = groups[identity];
  group.state = state;
  group.frames = std::move(frames);
  ++group.total;
  group.oldest_ns = std::max(group.oldest_ns, age);
  if (group.members.size() < kShownMembers) {
    std::string member = std::to_string(snapshot.id);
    std::lock_guard guard(s.fiber_pool.names_lock);
    if (fiber.name != nullptr) member += std::string(" \"") + fiber.name + "\"";
    group.members.push_back(std::move(member));
  }
}

std::string render(const Group& group) {
  std::string text = group.total == 1 ? "fiber " : std::to_string(group.total) + " fibers: ";
  for (std::size_t i = 0; i < group.members.size(); ++i) text += (i == 0 ? "" : ", ") + group.members[i];
  if (group.total > group.members.size()) text += ", ...";
  text += " [" + group.state;
  if (group.oldest_ns >= 1'000'000'000) text += ", " + std::to_string(group.oldest_ns / 1'000'000'000) + " s";
  text += "]:\n";
  for (const std::string& frame : group.frames) text += "    " + frame + "\n";
  return text + "\n";
}

}  // namespace

std::string creation_of(const Fiber& fiber) {
  return creation(fiber.creator, fiber.site);
}

std::string describe_running(const Fiber& fiber) {
  std::string text = "fiber " + std::to_string(fiber.id);
  if (fiber.name != nullptr) text += std::string(" \"") + fiber.name + "\"";
  text += " [running]:\n";
  tracer::StackKey key;
  tracer::current_stack(fiber, key);
  for (const std::string& frame : frames_of(key)) text += "    " + frame + "\n";
  return text + "    " + creation_of(fiber) + "\n";
}

std::string dump_fibers(Scheduler& s) {
  std::map<std::vector<std::string>, Group> groups;
  s.fiber_pool.for_each([&](Fiber& fiber) { add_fiber(s, fiber, groups); });
  std::vector<const Group*> order;
  for (const auto& [identity, group] : groups) order.push_back(&group);
  std::sort(order.begin(), order.end(), [](const Group* a, const Group* b) {
    return a->members.front().size() != b->members.front().size() ? a->members.front().size() < b->members.front().size()
                                                                  : a->members.front() < b->members.front();
  });
  std::string text;
  for (const Group* group : order) text += render(*group);
  return text;
}

void report_deadlock(Scheduler& s) {
  std::fflush(stdout);
  const std::string text =
      std::string("creel: fatal error: all fibers are asleep - deadlock!\n") + fuzz_note() + "\n" + dump_fibers(s);
  std::fwrite(text.data(), 1, text.size(), stderr);
  if (const std::error_code error = tracer::stop_recording()) {
    std::fprintf(stderr, "creel: the trace is incomplete: %s\n", error.message().c_str());
  }
  std::fflush(stderr);
  std::_Exit(2);
}

}  // namespace creel::sched
