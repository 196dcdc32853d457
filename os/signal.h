// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Signals of the process as values of a channel, and as the end of a context.
//
//   creel::Channel<int> signals(1);
//   creel::signal_notify(signals, SIGINT, SIGTERM);
//   const std::optional<int> got = signals.recv();
//
//   auto [context, stop] = creel::notify_context(creel::Context::background(), SIGTERM);   // ends at a SIGTERM
//
// The first registration of a signal replaces what it did before (as a rule: end the process); when the last one goes,
// that is put back. A signal is not queued: several of one kind between two looks are one, as in the kernel. A channel
// that is full misses it: give it room for as many as matter, 1 for a single kind.
//
// SIGKILL and SIGSTOP cannot be had; SIGSEGV, SIGBUS, SIGFPE and SIGILL are faults of the program: std::system_error
// with std::errc::invalid_argument names what was given. While a channel or context is registered the program counts as
// waiting for something: no deadlock is reported. Thread safety: all. Caller: a fiber.
// Source: package os/signal of Go. Not so: there is no form for all signals, and channels have an owner, see below.

#pragma once

#include <signal.h>

#include <concepts>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "creel/sync/channel.h"
#include "creel/sync/context.h"

namespace creel {

// The cause (Context::cause()) of a context that a signal has ended.
class SignalReceived : public Cancelled {
 public:
  explicit SignalReceived(int number);
  [[nodiscard]] int signal() const noexcept { return number_; }
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

 private:
  int number_;
  std::string text_;
};

namespace os {
void notify(Channel<int>& channel, std::span<const int> signals);
void reset(std::span<const int> signals);
void ignore(std::span<const int> signals);
class ContextSignals;

// The runtime is over: nothing is registered any more. Caller: the runtime's end, no worker runs.
void end_signals() noexcept;
}  // namespace os

// From now on each of the signals is sent to `channel`, with those it is registered for already. Requires:
// signal_stop() before the channel is closed or destroyed. Blocking: never waits for a receiver.
template <std::convertible_to<int>... S>
  requires(sizeof...(S) > 0)
void signal_notify(Channel<int>& channel, S... signals) {
  os::notify(channel, std::initializer_list<int>{static_cast<int>(signals)...});
}
// Sends `channel` no more; what came before is in it when this returns. Nothing if it is not registered.
void signal_stop(Channel<int>& channel);

// Undoes all registrations of the signals / the same, and has them ignored until they are registered or reset. What
// ignoring replaces is put back by signal_reset(), or at the runtime's end.
template <std::convertible_to<int>... S>
  requires(sizeof...(S) > 0)
void signal_reset(S... signals) {
  os::reset(std::initializer_list<int>{static_cast<int>(signals)...});
}
template <std::convertible_to<int>... S>
  requires(sizeof...(S) > 0)
void signal_ignore(S... signals) {
  os::ignore(std::initializer_list<int>{static_cast<int>(signals)...});
}
[[nodiscard]] bool signal_ignored(int signal);

class SignalStop;
namespace os {
std::pair<Context, SignalStop> notify(const Context& parent, std::span<const int> signals);
}

// The registration of a context: gone with the last copy, or when it is called. Until then signals do not do what they
// did before, also once the context has ended. Blocking: may park. Caller: a fiber, or after the runtime's end anyone.
class SignalStop {
 public:
  // Ends the registration, and the context if no signal has. Several times, and at once: as once. After the end of the
  // runtime it was made in it does nothing.
  void operator()() const;

 private:
  friend std::pair<Context, SignalStop> os::notify(const Context& parent, std::span<const int> signals);
  explicit SignalStop(std::shared_ptr<os::ContextSignals> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<os::ContextSignals> state_;
};

// A context derived from `parent` that the first of the signals ends, with a SignalReceived as its cause. To let a
// second Ctrl-C end the process call the SignalStop once the context has ended.
template <std::convertible_to<int>... S>
  requires(sizeof...(S) > 0)
[[nodiscard]] std::pair<Context, SignalStop> notify_context(const Context& parent, S... signals) {
  return os::notify(parent, std::initializer_list<int>{static_cast<int>(signals)...});
}

}  // namespace creel
