// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/dump.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <source_location>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "creel/sched/blocking.h"
#include "creel/sched/lock_waits.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/stack_probe.h"
#include "creel/sched/wait_object.h"
#include "creel/tracer/block_reason.h"
#include "creel/tracer/frame_name.h"
#include "creel/tracer/frames.h"
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

using RealClock = std::chrono::steady_clock;  // virtual time may stand still

constexpr std::size_t kShownMembers = 20;
constexpr std::size_t kShownObjects = 5;
// For one thread that runs a fiber to answer: on a busy machine it has to wait for a CPU. And for all of them together.
constexpr std::chrono::milliseconds kProbeTimeout{2000};
constexpr std::chrono::seconds kProbeBudget{5};

// Fibers that a reader would call equal: same state, same stack, started at the same place.
struct Group {
  FiberStatus status = FiberStatus::kDead;
  tracer::BlockReason reason = tracer::BlockReason::kUnspecified;
  bool no_answer = false;  // running, and its stack could not be had
  std::source_location site;
  std::vector<std::pair<std::uint64_t, std::string>> members;  // id and name of the first ones
  std::vector<const void*> objects;  // the first different ones
  std::uint64_t other_objects = 0;   // fibers whose object is not among them
  std::uint64_t creator = 0;
  bool several_creators = false;
  std::uint64_t total = 0;
  std::int64_t oldest_ns = -1;  // longest wait
};

using GroupKey = std::vector<std::uint64_t>;  // state, reason, stack

std::string frames_of(std::span<const std::uint64_t> key) {
  std::string text;
  for (const std::string& frame : describe_frames(key)) text += frame;
  return text;
}

// A fiber as it was at some moment. It may change while it is copied: each word is read once, from memory that stays valid
// (FiberPool), and at worst the picture mixes two moments. Deliberately unsynchronised, so TSan is not asked.
struct Snapshot {
  std::uint64_t id;
  tracer::BlockReason reason;
  std::int64_t since_ns;
  std::uint64_t creator;
  std::source_location site;
  const void* object;
};
__attribute__((noinline, no_sanitize("thread"))) void take(const Fiber& fiber, Snapshot& snapshot) noexcept {
  snapshot.id = fiber.id;
  snapshot.reason = fiber.reason;
  if (snapshot.reason == kSampled) snapshot.reason = tracer::BlockReason::kUnspecified;  // becomes runnable just now
  snapshot.since_ns = fiber.since_ns;
  snapshot.creator = fiber.creator;
  snapshot.site = fiber.site;
  snapshot.object = fiber.wait_object;
}

// Fibers that workers run, with the workers' threads.
using Running = std::map<const tracer::FiberTrace*, std::uint64_t>;

// A worker as it was at some moment, as Snapshot. The id is written once, before the worker runs its first fiber.
struct WorkerSnapshot {
  const tracer::FiberTrace* fiber;
  std::uint64_t id;
};
__attribute__((noinline, no_sanitize("thread"))) void take(const Worker& worker, WorkerSnapshot& snapshot) noexcept {
  snapshot.fiber = *const_cast<tracer::FiberTrace* const volatile*>(&worker.fiber);
  snapshot.id = *const_cast<const volatile std::uint64_t*>(&worker.id);
}

Running running_fibers(Scheduler& s) {
  Running running;
  std::lock_guard guard(s.lock);
  for (const auto& worker : s.workers) {
    WorkerSnapshot snapshot{};
    take(*worker, snapshot);
    if (snapshot.fiber != nullptr) running.emplace(snapshot.fiber, snapshot.id);
  }
  return running;
}

std::string name_of(Scheduler& s, const Fiber& fiber) {
  std::lock_guard guard(s.fiber_pool.names_lock);
  return fiber.name != nullptr ? fiber.name : "";
}

std::string show(std::uint64_t id, const std::string& name) {
  return std::to_string(id) + (name.empty() ? "" : " \"" + name + "\"");
}

std::string creation(const std::string& by, const std::source_location& site) {
  return "created by " + by + " in " + tracer::shorten_function(site.function_name()) + "\n        " + site.file_name() +
         ":" + std::to_string(site.line());
}

std::string creator_name(std::uint64_t creator) {
  return creator == 0 ? "creel::run()" : "fiber " + std::to_string(creator);
}

// Whether the caller runs on it.
bool is_own(const Fiber& fiber) noexcept {
  const Worker* worker = this_worker();
  return worker != nullptr && worker->fiber == &fiber;
}

// All fibers, grouped.
class Picture {
 public:
  Picture(Scheduler& s, Running running) : scheduler_(s), running_(std::move(running)), probe_until_(RealClock::now() + kProbeBudget) {
    s.fiber_pool.for_each([this](Fiber& fiber) { add(fiber); });
  }
  [[nodiscard]] std::string text();

 private:
  void add(Fiber& fiber);
  // False: it is running and its stack could not be had.
  bool stack_of(const Fiber& fiber, FiberStatus status, tracer::StackKey& key);
  std::string render(const GroupKey& key, const Group& group);
  std::string object_text(const void* object, tracer::BlockReason reason);
  // Looks at a circle again: one that was made up of waits of different moments is gone.
  [[nodiscard]] bool still_there(const std::vector<LockWait>& circle) const;

  Scheduler& scheduler_;
  const Running running_;
  RealClock::time_point probe_until_;
  std::map<GroupKey, Group> groups_;
  std::vector<LockWait> lock_waits_;
  std::map<std::uint64_t, const Fiber*> lock_waiters_;
  std::map<std::uint64_t, std::string> names_;  // of fibers that hold a lock or wait in a circle
};

bool Picture::stack_of(const Fiber& fiber, FiberStatus status, tracer::StackKey& key) {
  if (is_own(fiber)) {
    tracer::current_stack(fiber, key);
    return true;
  }
  if (status == FiberStatus::kRunning || status == FiberStatus::kSyscall) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(probe_until_ - RealClock::now());
    const auto timeout = std::clamp(left, std::chrono::milliseconds(0), kProbeTimeout);
    const auto thread = running_.find(&fiber);
    return probe_stack(fiber, thread == running_.end() ? 0 : thread->second, timeout, key);
  }
  tracer::parked_stack(fiber, key);
  return true;
}

void Picture::add(Fiber& fiber) {
  FiberStatus status = fiber.status.load(std::memory_order_acquire);  // pairs with submit_fiber()
  if (status == FiberStatus::kDead) return;
  if (is_own(fiber)) status = FiberStatus::kRunning;  // not in the section of dump_fibers()
  Snapshot snapshot;
  take(fiber, snapshot);
  tracer::StackKey key;
  const bool answered = stack_of(fiber, status, key);
  const bool waiting = status == FiberStatus::kWaiting;

  GroupKey identity{static_cast<std::uint64_t>(status), waiting ? static_cast<std::uint64_t>(snapshot.reason) : 0,
                    answered ? 1u : 0u};
  identity.insert(identity.end(), key.span().begin(), key.span().end());
  Group& group = groups_[identity];
  if (group.total++ == 0) {
    group.status = status;
    group.reason = snapshot.reason;
    group.no_answer = !answered;
    group.site = snapshot.site;
    group.creator = snapshot.creator;
  }
  group.several_creators = group.several_creators || group.creator != snapshot.creator;
  if (group.members.size() < kShownMembers) group.members.emplace_back(snapshot.id, name_of(scheduler_, fiber));
  if (!waiting) return;
  group.oldest_ns = std::max(group.oldest_ns, now_ns() - snapshot.since_ns);
  if (describe_object(snapshot.object, snapshot.reason).empty()) return;
  if (std::find(group.objects.begin(), group.objects.end(), snapshot.object) == group.objects.end()) {
    if (group.objects.size() < kShownObjects) {
      group.objects.push_back(snapshot.object);
    } else {
      ++group.other_objects;
    }
  }
  if (const std::uint64_t holder = hold_of(snapshot.object, snapshot.reason).fiber; holder != 0) {
    lock_waits_.push_back({snapshot.id, snapshot.object, holder});
    lock_waiters_.emplace(snapshot.id, &fiber);
  }
}

std::string Picture::object_text(const void* object, tracer::BlockReason reason) {
  const std::string text = describe_object(object, reason);
  for (const LockWait& wait : lock_waits_) {
    if (wait.lock != object) continue;
    return text + ", held by " + (wait.holder == wait.waiter ? "itself" : "fiber " + show(wait.holder, names_[wait.holder]));
  }
  const Hold hold = hold_of(object, reason);
  if (!hold.is_lock) return text;
  if (hold.readers == 0) return text + ", holder unknown";
  return text + ", held by " + std::to_string(hold.readers) + (hold.readers == 1 ? " reader" : " readers");
}

bool Picture::still_there(const std::vector<LockWait>& circle) const {
  return std::all_of(circle.begin(), circle.end(), [this](const LockWait& wait) {
    const Fiber& fiber = *lock_waiters_.at(wait.waiter);
    if (fiber.status.load(std::memory_order_acquire) != FiberStatus::kWaiting) return false;
    Snapshot snapshot;
    take(fiber, snapshot);
    return snapshot.id == wait.waiter && snapshot.object == wait.lock &&
           hold_of(snapshot.object, snapshot.reason).fiber == wait.holder;
  });
}

std::string Picture::render(const GroupKey& key, const Group& group) {
  std::string text = group.total == 1 ? "fiber " : std::to_string(group.total) + " fibers: ";
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    text += (i == 0 ? "" : ", ") + show(group.members[i].first, group.members[i].second);
  }
  if (group.total > group.members.size()) text += ", ...";
  const bool waiting = group.status == FiberStatus::kWaiting;
  text += " [" + (waiting ? std::string(tracer::to_string(group.reason)) : state_name(group.status));
  if (group.oldest_ns >= 1'000'000'000) text += ", " + std::to_string(group.oldest_ns / 1'000'000'000) + " s";
  text += "]:\n";
  for (const void* object : group.objects) text += "    waits for " + object_text(object, group.reason) + "\n";
  if (group.other_objects != 0) text += "    and " + std::to_string(group.other_objects) + " more\n";
  if (group.no_answer) text += "    (its stack could not be had: the thread left it, or did not answer)\n";
  text += frames_of(std::span(key).subspan(3));
  return text + "    " + creation(group.several_creators ? "several fibers" : creator_name(group.creator), group.site) + "\n\n";
}

std::string Picture::text() {
  auto circles = find_circles(lock_waits_);
  std::erase_if(circles, [this](const auto& circle) { return !still_there(circle); });
  for (const LockWait& wait : lock_waits_) names_.emplace(wait.holder, "");
  if (!names_.empty()) {
    scheduler_.fiber_pool.for_each([this](Fiber& fiber) {
      if (fiber.status.load(std::memory_order_acquire) == FiberStatus::kDead) return;
      Snapshot snapshot;
      take(fiber, snapshot);
      if (const auto found = names_.find(snapshot.id); found != names_.end()) found->second = name_of(scheduler_, fiber);
    });
  }
  std::map<std::uint64_t, std::string> shown;
  for (const auto& [id, name] : names_) shown.emplace(id, show(id, name));
  std::string text = describe_circles(circles, shown);

  std::vector<std::pair<const GroupKey*, Group*>> order;
  for (auto& [key, group] : groups_) {
    std::sort(group.members.begin(), group.members.end());
    order.emplace_back(&key, &group);
  }
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.second->members.front().first < b.second->members.front().first; });
  for (const auto& [key, group] : order) text += render(*key, *group);
  return text;
}

}  // namespace

std::vector<std::string> describe_frames(std::span<const std::uint64_t> key) {
  std::vector<const tracer::LogicalFrame*> resolved;
  tracer::frame_table().resolve(key, resolved);
  std::vector<std::string> texts;
  for (const tracer::LogicalFrame* frame : resolved) {
    texts.push_back("    " + *frame->function + "\n        " + *frame->file + ":" + std::to_string(frame->line) + "\n");
  }
  return texts;
}

std::string creation_of(const Fiber& fiber) { return creation(creator_name(fiber.creator), fiber.site); }

std::string describe_running(const Fiber& fiber) {
  tracer::StackKey key;
  tracer::current_stack(fiber, key);
  return "fiber " + show(fiber.id, fiber.name != nullptr ? fiber.name : "") + " [running]:\n" + frames_of(key.span()) +
         "    " + creation_of(fiber) + "\n";
}

std::string describe_fiber_on(Scheduler& s, std::uint64_t thread) {
  for (const auto& [address, its_thread] : running_fibers(s)) {
    if (its_thread != thread) continue;
    const Fiber& fiber = *static_cast<const Fiber*>(address);
    Snapshot snapshot;
    take(fiber, snapshot);
    tracer::StackKey key;
    // Without an answer, its start.
    static_cast<void>(probe_stack(fiber, thread, kProbeTimeout, key));
    return "fiber " + show(snapshot.id, name_of(s, fiber)) + " [running]:\n" + frames_of(key.span()) + "    " +
           creation(creator_name(snapshot.creator), snapshot.site);
  }
  return {};
}

std::string dump_fibers(Scheduler& s) {
  // Threads are waited for, and names take half a second the first time.
  struct Section {
    Section() { enter_blocking_of_runtime(); }
    ~Section() { leave_blocking(); }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;
  } const section;
  return Picture(s, running_fibers(s)).text();
}

std::string dump_parked_fibers(Scheduler& s) { return Picture(s, {}).text(); }

}  // namespace creel::sched
