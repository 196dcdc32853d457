// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The way of a signal:
//
//   handler      any thread, any stack (SA_ONSTACK): sets the signal's bit in `pending`, adds to an eventfd
//   dispatcher   the fiber "runtime.signals", parked in the poller on a copy of that eventfd while anything is
//                registered: takes all bits and tells channels and contexts, under Registry::mutex
//
// Invariants:
//  1. The handler touches `pending` and `event` only, both for ever valid: the eventfd is made once and never closed.
//     The dispatcher's is a copy of it, which goes with the runtime.
//  2. Bits are taken and told under the mutex. Who takes a registration off tells what is pending first, so nothing
//     that came before is lost, and nothing comes afterwards.
//  3. The last registration's end ends the dispatcher and waits for it: `ending` is set under the mutex, and taken back
//     by the dispatcher when it leaves. Who registers meanwhile waits, too.

#include "creel/os/signal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <mutex>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <vector>

#include "creel/net/handle.h"
#include "creel/os/sys.h"
#include "creel/sched/base/check.h"
#include "creel/sched/park.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/spawn.h"
#include "creel/sync/mutex.h"
#include "creel/sync/wait_group.h"

namespace creel {

using net::detail::Descriptor;
using net::detail::Side;

namespace os {

// One registered context.
class ContextSignals {
 public:
  ContextSignals(CancelSource source, std::uint64_t run) : source_(std::move(source)), run_(run) {}
  ~ContextSignals();
  ContextSignals(const ContextSignals&) = delete;
  ContextSignals& operator=(const ContextSignals&) = delete;

  void received(int signal) const { source_.cancel(SignalReceived(signal)); }
  void cancel() const { source_.cancel(); }
  // Which runtime's, counted from 0.
  [[nodiscard]] std::uint64_t run() const noexcept { return run_; }

 private:
  CancelSource source_;
  std::uint64_t run_;
};

namespace {

using Mask = std::uint64_t;
constexpr int kSignals = 64;

constexpr Mask bit(int signal) noexcept { return Mask{1} << (signal - 1); }

// Runtimes that have ended. Relaxed: read in the one that lasts, or after all.
std::atomic<std::uint64_t> ended_runs{0};

// Release in the handler, acquire in the dispatcher: what was written before raise() is seen by who is told.
std::atomic<Mask> pending{0};
std::atomic<int> event{-1};  // set once, before the first handler is installed
static_assert(std::atomic<Mask>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void ring() noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full: then it is readable.
  [[maybe_unused]] const ssize_t written = ::write(event.load(std::memory_order_acquire), &one, sizeof one);
}

void on_signal(int signal) noexcept {
  const int saved = errno;
  pending.fetch_or(bit(signal), std::memory_order_release);
  ring();
  errno = saved;
}

// One channel or context, and what it is registered for.
struct Entry {
  Channel<int>* channel = nullptr;
  const ContextSignals* context = nullptr;
  Mask mask = 0;
};

std::string name_of(int signal) {
  const char* const name = sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

Mask mask_of(std::span<const int> signals, const char* what) {
  Mask mask = 0;
  for (const int signal : signals) {
    const bool fault = signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL;
    const bool internal = signal >= 32 && signal < SIGRTMIN;  // the threads library's
    if (signal < 1 || signal > kSignals || fault || internal || signal == SIGKILL || signal == SIGSTOP) {
      throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                              std::string(what) + ": " + name_of(signal) +
                                  " is not accepted; 1 to 31 and SIGRTMIN to SIGRTMAX are, but for SIGKILL, "
                                  "SIGSTOP and faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL)");
    }
    mask |= bit(signal);
  }
  return mask;
}

template <typename F>
void for_each_signal(Mask mask, F f) {
  for (int signal = 1; signal <= kSignals; ++signal) {
    if ((mask & bit(signal)) != 0) f(signal);
  }
}

// What the process did with a signal before us.
struct Former {
  bool saved = false;
  struct sigaction action {};
};

struct Registry {
  Mutex mutex;
  std::vector<Entry> entries;                      // guarded by mutex, as all below
  Mask ignored = 0;
  std::array<Former, kSignals + 1> former;
  std::shared_ptr<WaitGroup> dispatcher;           // null: none runs
  bool ending = false;                             // invariant 3

  void set_action(int signal, void (*handler)(int)) noexcept;
  void restore(int signal) noexcept;
  void deliver();
  void release(Mask mask) noexcept;
  void take_off(Mask mask) noexcept;
  void start_dispatcher(std::unique_lock<Mutex>& lock);
  [[nodiscard]] std::shared_ptr<WaitGroup> stop_dispatcher_if_idle() noexcept;
};

std::shared_ptr<Registry>& registry_place() {
  static auto& place = *new std::shared_ptr<Registry>(std::make_shared<Registry>());  // for ever: used at exit, too
  return place;
}
Registry& registry() { return *registry_place(); }

void Registry::set_action(int signal, void (*handler)(int)) noexcept {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  Former& before = former[static_cast<std::size_t>(signal)];
  struct sigaction present {};
  sched::check(::sigaction(signal, &action, &present) == 0, "a signal that mask_of() lets through has no action");
  if (!before.saved) before = {true, present};
}

void Registry::restore(int signal) noexcept {
  Former& before = former[static_cast<std::size_t>(signal)];
  if (!before.saved) return;
  ::sigaction(signal, &before.action, nullptr);  // valid: it was in force
  before.saved = false;
}

// Tells what is pending. Requires: the mutex.
void Registry::deliver() {
  const Mask came = pending.exchange(0, std::memory_order_acquire);
  if (came == 0) return;
  for_each_signal(came, [&](int signal) {
    for (const Entry& entry : entries) {
      if ((entry.mask & bit(signal)) == 0) continue;
      if (entry.context != nullptr) {
        entry.context->received(signal);
      } else {
        static_cast<void>(entry.channel->try_send(signal));  // full: missed
      }
    }
  });
}

// Signals nobody is registered for any more do what they did before.
void Registry::release(Mask mask) noexcept {
  Mask used = ignored;
  for (const Entry& entry : entries) used |= entry.mask;
  for_each_signal(mask & ~used, [&](int signal) { restore(signal); });
}

void Registry::take_off(Mask mask) noexcept {
  for (Entry& entry : entries) entry.mask &= ~mask;
  std::erase_if(entries, [](const Entry& entry) { return entry.mask == 0; });
}

void dispatch(Descriptor* descriptor, Registry& registry) {
  for (bool goes_on = true; goes_on;) {
    {
      net::detail::SideGuard side(*descriptor, Side::kRead);
      std::uint64_t number = 0;
      const iovec room{&number, sizeof number};
      const ssize_t got = net::detail::retry_ready(*descriptor, Side::kRead,
                                                   [&] { return sys::read(descriptor->fd(), &room, 1); });
      if (got < 0) throw std::system_error(static_cast<int>(-got), std::generic_category(), "creel: signals");
    }
    std::lock_guard guard(registry.mutex);
    registry.deliver();
    goes_on = !registry.ending;
  }
  descriptor->drop_handle();
  std::lock_guard guard(registry.mutex);
  registry.ending = false;
  registry.dispatcher = nullptr;
}

// `name` lives for ever.
void set_name(sched::Fiber& fiber, const char* name) {
  std::lock_guard guard(sched::this_worker()->scheduler.fiber_pool.names_lock);  // a dump may look at it
  fiber.name = name;
}

// Requires: the mutex, which it may leave and take again.
void Registry::start_dispatcher(std::unique_lock<Mutex>& lock) {
  while (ending) {
    const std::shared_ptr<WaitGroup> old = dispatcher;
    lock.unlock();
    old->wait();
    lock.lock();
  }
  if (dispatcher != nullptr) return;
  if (event.load(std::memory_order_relaxed) < 0) {
    const int made = sys::event_fd();
    if (made < 0) throw std::system_error(-made, std::generic_category(), "creel: signals");
    event.store(made, std::memory_order_release);  // pairs with the handler's acquire
  }
  net::detail::OwnedFile copy(sys::duplicate(event.load(std::memory_order_relaxed)));
  std::error_code error = net::detail::to_error_code(copy.get() < 0 ? -copy.get() : 0);
  Descriptor* const descriptor = error ? nullptr : copy.open("creel::signal_notify()", error);
  if (error) throw std::system_error(error, "creel: signals");
  descriptor->set_shared();
  auto group = std::make_shared<WaitGroup>();
  group->add(1);
  const auto run = [descriptor, this, group] {
    dispatch(descriptor, *this);
    set_name(*sched::current_fiber("creel::signal_notify()"), nullptr);  // another fiber's object next
    group->done();
  };
  // Without FiberOptions, whose name is on the heap: the runtime's end may abandon this fiber.
  using Run = std::remove_const_t<decltype(run)>;
  static_assert(sched::Closure<Run>::kInline);
  sched::Fiber* const fiber = sched::new_fiber("creel::signal_notify()");
  set_name(*fiber, "runtime.signals");
  sched::Closure<Run>::make(fiber->closure, run);
  fiber->entry = &sched::Closure<Run>::run;
  sched::submit_fiber(fiber, sched::callable_of(run), std::source_location::current());
  dispatcher = group;
}

// Requires: the mutex. What the caller is to wait for once it has left that; null: nothing.
std::shared_ptr<WaitGroup> Registry::stop_dispatcher_if_idle() noexcept {
  if (!entries.empty() || dispatcher == nullptr) return nullptr;
  ending = true;
  ring();
  return dispatcher;
}

void add(Entry entry) {
  Registry& r = registry();
  std::unique_lock lock(r.mutex);
  r.start_dispatcher(lock);
  r.deliver();  // not to the new one
  const auto same = std::ranges::find_if(r.entries, [&](const Entry& other) {
    return other.channel == entry.channel && other.context == entry.context;
  });
  if (same != r.entries.end()) {
    same->mask |= entry.mask;
  } else {
    r.entries.push_back(entry);
  }
  r.ignored &= ~entry.mask;
  for_each_signal(entry.mask, [&](int signal) { r.set_action(signal, on_signal); });
}

void remove(const Channel<int>* channel, const ContextSignals* context) {
  Registry& r = registry();
  std::shared_ptr<WaitGroup> ended;
  {
    std::lock_guard guard(r.mutex);
    const auto found = std::ranges::find_if(
        r.entries, [&](const Entry& entry) { return entry.channel == channel && entry.context == context; });
    if (found == r.entries.end()) return;
    r.deliver();  // invariant 2
    const Mask mask = found->mask;
    r.entries.erase(found);
    r.release(mask);
    ended = r.stop_dispatcher_if_idle();
  }
  if (ended != nullptr) ended->wait();
}

void change(std::span<const int> signals, bool ignore, const char* what) {
  static_cast<void>(sched::current_fiber(what));
  const Mask mask = mask_of(signals, what);
  Registry& r = registry();
  std::shared_ptr<WaitGroup> ended;
  {
    std::lock_guard guard(r.mutex);
    r.deliver();
    r.take_off(mask);
    if (ignore) {
      r.ignored |= mask;
      for_each_signal(mask, [&](int signal) { r.set_action(signal, SIG_IGN); });
    } else {
      r.ignored &= ~mask;
      r.release(mask);
    }
    ended = r.stop_dispatcher_if_idle();
  }
  if (ended != nullptr) ended->wait();
}

}  // namespace

ContextSignals::~ContextSignals() { remove(nullptr, this); }

void notify(Channel<int>& channel, std::span<const int> signals) {
  static_cast<void>(sched::current_fiber("creel::signal_notify()"));
  add({.channel = &channel, .mask = mask_of(signals, "creel::signal_notify()")});
}

std::pair<Context, SignalStop> notify(const Context& parent, std::span<const int> signals) {
  static_cast<void>(sched::current_fiber("creel::notify_context()"));
  const Mask mask = mask_of(signals, "creel::notify_context()");
  auto [context, source] = parent.with_cancel();
  auto state = std::make_shared<ContextSignals>(std::move(source), ended_runs.load(std::memory_order_relaxed));
  add({.context = state.get(), .mask = mask});
  return {std::move(context), SignalStop(std::move(state))};
}

void reset(std::span<const int> signals) { change(signals, false, "creel::signal_reset()"); }

void ignore(std::span<const int> signals) { change(signals, true, "creel::signal_ignore()"); }

void end_signals() noexcept {
  // Replaced, not emptied: an abandoned fiber may hold the mutex for ever. One that is still in use stays, reachable.
  static auto& abandoned = *new std::vector<std::shared_ptr<Registry>>;
  std::shared_ptr<Registry>& place = registry_place();
  for (int signal = 1; signal <= kSignals; ++signal) place->restore(signal);
  pending.store(0, std::memory_order_relaxed);
  if (place->dispatcher != nullptr || !place->entries.empty()) abandoned.push_back(place);
  place = std::make_shared<Registry>();
  ended_runs.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace os

SignalReceived::SignalReceived(int number)
    : Cancelled("creel: signal"), number_(number), text_("creel: " + os::name_of(number)) {}

void signal_stop(Channel<int>& channel) { os::remove(&channel, nullptr); }

bool signal_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
         action.sa_handler == SIG_IGN;
}

void SignalStop::operator()() const {
  os::remove(nullptr, state_.get());
  // After its runtime's end nobody is there to be told, and those who waited are on stacks that are gone.
  if (state_->run() == os::ended_runs.load(std::memory_order_relaxed)) state_->cancel();
}

}  // namespace creel
