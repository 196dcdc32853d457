// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <optional>
#include <vector>

#include "creel/net/cancellable.h"
#include "creel/net/error.h"
#include "creel/net/socket.h"
#include "creel/net/sys.h"
#include "creel/sync/channel.h"
#include "creel/sync/mutex.h"
#include "creel/sync/wait_group.h"

namespace creel::net::detail {
namespace {

// Ends an attempt from outside.
class Cancel final : public DialObserver {
 public:
  void waiting(Descriptor* descriptor) override {
    std::lock_guard guard(mutex_);
    descriptor_ = descriptor;
    if (cancelled_ && descriptor != nullptr) expire();
  }
  void cancel() {
    std::lock_guard guard(mutex_);
    cancelled_ = true;
    if (descriptor_ != nullptr) expire();
  }
  [[nodiscard]] bool cancelled() {
    std::lock_guard guard(mutex_);
    return cancelled_;
  }

 private:
  void expire() { static_cast<void>(descriptor_->set_deadline(false, true, Clock::time_point::min())); }

  Mutex mutex_;
  Descriptor* descriptor_ = nullptr;  // guarded by mutex_
  bool cancelled_ = false;            // guarded by mutex_
};

// Waits until the attempt under way has an outcome: 0 or an errno value.
int await_connection(Descriptor& descriptor, const Context& context) {
  std::optional<CancelGuard> guard;
  if (context.canceller() != nullptr) guard.emplace(descriptor, Side::kWrite, *context.canceller());
  for (;;) {
    if (const int error = descriptor.wait(Side::kWrite)) {
      return error == ECANCELED ? error_of(*context.canceller()) : error;
    }
    int outcome = 0;
    socklen_t size = sizeof outcome;
    if (const int failed = sys::get_option(descriptor.fd(), SOL_SOCKET, SO_ERROR, &outcome, &size)) return -failed;
    if (outcome == EINPROGRESS || outcome == EALREADY || outcome == EINTR) continue;
    if (outcome != 0 && outcome != EISCONN) return outcome;
    sockaddr_storage peer;
    size = sizeof peer;
    // An event too many comes before the outcome: then there is no peer yet.
    if (sys::peer_name(descriptor.fd(), reinterpret_cast<sockaddr*>(&peer), &size) == 0) return 0;
  }
}

// A connection of a socket with itself: the kernel chose the very port as our own that nobody listens at.
bool is_self_connected(int fd) {
  sockaddr_storage local{};
  sockaddr_storage peer{};
  socklen_t local_size = sizeof local;
  socklen_t peer_size = sizeof peer;
  if (sys::local_name(fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0 ||
      sys::peer_name(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) {
    return false;
  }
  const auto a = Address::from(reinterpret_cast<sockaddr*>(&local), local_size);
  const auto b = Address::from(reinterpret_cast<sockaddr*>(&peer), peer_size);
  return a && b && *a == *b;
}

Descriptor* dial_one(const Address& address, Clock::time_point deadline, const DialOptions& options, Cancel* cancel,
                     std::error_code& error) {
  for (int attempt = 0;; ++attempt) {
    OwnedFile file(sys::socket(address.family(), SOCK_STREAM, 0));
    if (file.get() < 0) {
      error = to_error_code(-file.get());
      return nullptr;
    }
    if (options.nodelay) {
      if (const int failed = set_int(file.get(), IPPROTO_TCP, TCP_NODELAY, 1)) {
        error = to_error_code(-failed);
        return nullptr;
      }
    }
    Descriptor* descriptor =
        connect_file(file, address.data(), address.size(), deadline, options.context, cancel, error);
    constexpr int kRetries = 2;
    const bool with_itself = descriptor != nullptr && address.is_loopback() && is_self_connected(descriptor->fd());
    if (attempt == kRetries || !(with_itself || error == std::errc::address_not_available)) return descriptor;
    if (descriptor != nullptr) descriptor->drop_handle();
  }
}

// The share of the time until `deadline` for the next of `left` addresses: an equal part, but two seconds if there are
// that many.
Clock::time_point share(Clock::time_point deadline, std::size_t left) {
  constexpr std::chrono::seconds kLeast{2};
  if (deadline == Clock::time_point::max()) return deadline;
  const Clock::time_point now = Clock::now();
  const auto remaining = deadline - now;
  const auto part = std::max<Clock::duration>(remaining / static_cast<std::int64_t>(left),
                                              std::min<Clock::duration>(kLeast, remaining));
  return now + part;
}

Descriptor* dial_serial(std::span<const Address> addresses, const DialOptions& options, Cancel* cancel,
                        std::error_code& error) {
  error.clear();
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (cancel != nullptr && cancel->cancelled()) {
      if (!error) error = std::make_error_code(std::errc::timed_out);
      return nullptr;
    }
    if (options.context.ended()) {
      error = to_error_code(error_of(*options.context.canceller()));
      return nullptr;
    }
    std::error_code failed;
    Descriptor* descriptor =
        dial_one(addresses[i], share(options.deadline, addresses.size() - i), options, cancel, failed);
    if (descriptor != nullptr) {
      error.clear();
      return descriptor;
    }
    if (!error) error = failed;  // the first address is the one meant
    if (Clock::now() >= options.deadline) break;
  }
  return nullptr;
}

struct Outcome {
  bool primary = false;
  Descriptor* descriptor = nullptr;
  std::error_code error;
};

Descriptor* dial_parallel(std::span<const Address> primaries, std::span<const Address> fallbacks,
                          const DialOptions& options, std::error_code& error) {
  Channel<Outcome> outcomes(2);
  Cancel cancels[2];
  WaitGroup group;
  int running = 0;
  const auto start = [&](bool primary) {
    ++running;
    const std::span<const Address> addresses = primary ? primaries : fallbacks;
    group.go([&outcomes, &options, cancel = &cancels[primary ? 0 : 1], addresses, primary] {
      Outcome outcome;
      outcome.primary = primary;
      outcome.descriptor = dial_serial(addresses, options, cancel, outcome.error);
      outcomes.send(outcome);
    });
  };
  start(true);
  bool fallback_started = false;
  const Clock::time_point fallback_at = Clock::now() + options.fallback_delay;
  Descriptor* winner = nullptr;
  std::error_code errors[2];
  while (running > 0) {
    std::optional<Outcome> outcome;
    if (fallback_started) {
      outcome = outcomes.recv();
    } else {
      outcome = outcomes.recv_until(fallback_at);
    }
    if (outcome.has_value()) {
      --running;
      if (outcome->descriptor != nullptr) {
        winner = outcome->descriptor;
        break;
      }
      errors[outcome->primary ? 0 : 1] = outcome->error;
    }
    if (!fallback_started) {  // the delay is over, or the first family has failed
      fallback_started = true;
      start(false);
    }
  }
  for (Cancel& cancel : cancels) cancel.cancel();
  group.wait();
  while (auto late = outcomes.try_recv()) {
    if (late->descriptor != nullptr) late->descriptor->drop_handle();
  }
  error = winner != nullptr ? std::error_code() : errors[0];
  return winner;
}

}  // namespace

Descriptor* connect_file(OwnedFile& file, const sockaddr* address, socklen_t size, Clock::time_point deadline,
                         const Context& context, DialObserver* observer, std::error_code& error) {
  error.clear();
  const int started = sys::connect(file.get(), address, size);
  if (started != 0 && started != -EINPROGRESS && started != -EISCONN) {
    error = to_error_code(-started);
    return nullptr;
  }
  // Registered after the attempt has begun: a socket that is neither connected nor about to be looks hung up to epoll.
  Descriptor* const descriptor = file.open("creel::net: connect", error);
  if (descriptor == nullptr || started != -EINPROGRESS) return descriptor;
  int failed = deadline == Clock::time_point::max() ? 0 : descriptor->set_deadline(false, true, deadline);
  if (failed == 0) {
    if (observer != nullptr) observer->waiting(descriptor);
    {
      SideGuard guard(*descriptor, Side::kWrite);
      failed = guard.error() != 0 ? guard.error() : await_connection(*descriptor, context);
    }
    if (observer != nullptr) observer->waiting(nullptr);
  }
  if (failed == 0) failed = descriptor->set_deadline(false, true, Clock::time_point::max());
  if (failed == 0) return descriptor;
  error = to_error_code(failed);
  descriptor->drop_handle();
  return nullptr;
}

Descriptor* dial_tcp(std::span<const Address> addresses, const DialOptions& options, std::error_code& error) {
  if (addresses.empty()) {
    error = Errc::no_address;
    return nullptr;
  }
  std::vector<Address> primaries;
  std::vector<Address> fallbacks;
  for (const Address& address : addresses) {
    (address.family() == addresses[0].family() ? primaries : fallbacks).push_back(address);
  }
  if (fallbacks.empty()) return dial_serial(addresses, options, nullptr, error);
  return dial_parallel(primaries, fallbacks, options, error);
}

}  // namespace creel::net::detail
