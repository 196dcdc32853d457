// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/stack_probe.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <span>
#include <sstream>
#include <string>
#include <utility>

#include "creel/sched/fiber.h"
#include "creel/sched/platform/thread_state.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/stack_unwind.h"
#include "creel/tracer/stack_hash.h"

namespace creel::sched {
namespace {

// One probe at a time. `request` passes the slot to and fro: 0 free; the thread asked for (prober to handler); kBusy (the
// handler is at work); kDone (handler to prober).
constexpr std::uint64_t kBusy = ~std::uint64_t{0};
constexpr std::uint64_t kDone = ~std::uint64_t{1};
struct Slot {
  std::atomic<std::uint64_t> request{0};
  StackCopy copy;
  bool good = false;  // the copy was taken
};
Slot slot;
std::mutex probe_mu;  // held by the prober

void on_signal(int, siginfo_t*, void* context) {
  const int saved_errno = errno;
  auto thread = static_cast<std::uint64_t>(syscall(SYS_gettid));
  // Acquire pairs with the prober's release: the bounds are set. A late signal finds another request, or none.
  if (slot.request.compare_exchange_strong(thread, kBusy, std::memory_order_acquire, std::memory_order_relaxed)) {
    const mcontext_t& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    slot.copy.pc = static_cast<std::uintptr_t>(machine.gregs[REG_RIP]);
    slot.copy.sp = static_cast<std::uintptr_t>(machine.gregs[REG_RSP]);
    slot.copy.fp = static_cast<std::uintptr_t>(machine.gregs[REG_RBP]);
#elif defined(__aarch64__)
    slot.copy.pc = machine.pc;
    slot.copy.sp = machine.sp;
    slot.copy.fp = machine.regs[29];
    slot.copy.link = machine.regs[30];
#endif
    slot.copy.knows_all = true;
    slot.good = slot.copy.take();
    slot.request.store(kDone, std::memory_order_release);  // pairs with the prober's acquire: the capture is complete
  }
  errno = saved_errno;
}

bool has_no_handler(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

int probe_signal() noexcept {
  static const int chosen = [] {
    for (int number = SIGRTMAX; number > SIGRTMIN; --number) {
      struct sigaction action {};
      if (sigaction(number, nullptr, &action) == 0 && has_no_handler(action)) return number;
    }
    return 0;
  }();
  return chosen;
}

// Whether the signal is ours to send.
bool handler_is_in_place() noexcept {
  const int number = probe_signal();
  struct sigaction current {};
  if (number == 0 || sigaction(number, nullptr, &current) != 0) return false;
  if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_signal) return true;
  if (!has_no_handler(current)) return false;
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigfillset(&action.sa_mask);
  return sigaction(number, &action, nullptr) == 0;
}

// A signal is handled as soon as its thread gets a CPU. One that has run for so long since will not answer: it blocks the
// signal, or holds it back (TSan).
constexpr std::int64_t kEnoughToAnswer = 30'000'000;  // ns
// Looks at a thread that is blocked each time, but has run in between.
constexpr int kAttempts = 3;

bool probe_running(std::uint64_t thread, std::chrono::milliseconds timeout) {
  if (!handler_is_in_place()) return false;
  const std::int64_t ran = cpu_time_ns(thread);
  slot.request.store(thread, std::memory_order_release);  // pairs with the handler's compare-exchange
  bool done = false;
  if (syscall(SYS_tgkill, getpid(), static_cast<pid_t>(thread), probe_signal()) == 0) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;  // virtual time may stand still
    for (;;) {
      std::uint64_t asked = thread;
      done = slot.request.load(std::memory_order_acquire) == kDone;  // pairs with the handler's release
      if (done) break;
      // Too late: taken back, unless the handler has begun; then it ends soon.
      const bool late = std::chrono::steady_clock::now() >= deadline || (ran >= 0 && cpu_time_ns(thread) - ran >= kEnoughToAnswer);
      if (late && slot.request.compare_exchange_strong(asked, 0, std::memory_order_relaxed)) break;
      const timespec pause{0, 100'000};
      nanosleep(&pause, nullptr);
    }
  }
  slot.request.store(0, std::memory_order_relaxed);
  return done && slot.good;
}

// Where a thread that is blocked in the kernel waits, and how long it has run.
struct BlockedAt {
  std::uintptr_t pc = 0;
  std::uintptr_t sp = 0;  // 0: it runs, or the kernel does not say
  std::int64_t ran = 0;
  bool operator==(const BlockedAt&) const = default;
};

BlockedAt blocked_at(std::uint64_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/syscall");
  std::string line;
  if (!std::getline(file, line) || line.empty() || line.starts_with("running")) return {};
  // "7 0xa1 ... 0xa6 0xsp 0xpc", or "-1 0xsp 0xpc".
  std::istringstream words(line);
  std::string word;
  std::string before;
  std::string last;
  while (words >> word) {
    before = std::exchange(last, word);
  }
  if (before.empty()) return {};
  return {std::strtoull(last.c_str(), nullptr, 16), std::strtoull(before.c_str(), nullptr, 16), cpu_time_ns(thread)};
}

enum class Probe { kCopied, kNotBlocked, kNotThere };

// A thread that is blocked is not disturbed. It has not run between two looks that find the same: the copy is of one moment.
Probe probe_blocked(std::uint64_t thread) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const BlockedAt at = blocked_at(thread);
    if (at.sp == 0) return Probe::kNotBlocked;
    slot.copy.pc = at.pc;
    slot.copy.sp = at.sp;
    slot.copy.knows_all = false;
    if (!slot.copy.take()) return Probe::kNotThere;
    if (blocked_at(thread) == at) return Probe::kCopied;
  }
  return Probe::kNotBlocked;
}

}  // namespace

void allow_stack_probe() noexcept {
  if (probe_signal() == 0) return;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, probe_signal());
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

namespace {

struct Seen {
  std::uint64_t id = 0;
  tracer::StackBounds bounds;  // none: {0, 0}
};

// Descriptors of stacks stay mapped. Volatile: a copy by memcpy() would be looked at.
__attribute__((noinline)) CREEL_NO_SANITIZE void look_at(const Fiber& fiber, Seen& seen) noexcept {
  seen = {};
  seen.id = *const_cast<const volatile std::uint64_t*>(&fiber.id);
  const volatile tracer::StackBounds* stack = *const_cast<const tracer::StackBounds* const volatile*>(&fiber.stack);
  if (stack == nullptr) return;
  seen.bounds.low = stack->low;
  seen.bounds.high = stack->high;
}

}  // namespace

bool probe_stack(const Fiber& fiber, std::uint64_t thread, std::chrono::milliseconds timeout, tracer::StackKey& key) {
  tracer::start_stack(fiber, key);
  Seen seen;
  look_at(fiber, seen);
  if (thread == 0 || seen.bounds.low >= seen.bounds.high) return false;
  const std::lock_guard guard(probe_mu);
  slot.copy.bounds = seen.bounds;
  const Probe blocked = probe_blocked(thread);
  if (blocked == Probe::kNotThere || (blocked == Probe::kNotBlocked && !probe_running(thread, timeout))) return false;
  Seen now;
  look_at(fiber, now);
  if (now.id != seen.id || now.bounds.low != seen.bounds.low) return false;  // the stack is another fiber's by now
  const std::size_t found = unwind(slot.copy, std::span(key.words).subspan(key.size));
  key.size += found;
  return found != 0;
}

}  // namespace creel::sched
