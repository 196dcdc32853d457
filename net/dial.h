// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Connecting: one address, or the first of several that answers.
//
// With addresses of both families ("happy eyeballs", RFC 6555): those of the first one's family are tried one after
// another; when that has not succeeded after 300 ms, or has failed, those of the other family are tried beside it. The
// first connection wins, the other attempt is cancelled. The time until the deadline is shared among the addresses
// left. Source: dialParallel of Go's net.

#pragma once

#include <chrono>
#include <span>
#include <system_error>

#include "creel/net/address.h"
#include "creel/net/descriptor.h"
#include "creel/sync/context.h"

namespace creel::net::detail {

struct DialOptions {
  sched::Clock::time_point deadline = sched::Clock::time_point::max();
  std::chrono::nanoseconds fallback_delay = std::chrono::milliseconds(300);
  bool nodelay = true;
  Context context = {};  // ends the attempts, too
};

// A connected descriptor, or null and `error` set: that of the first address. Caller: a fiber. Blocking: parks.
[[nodiscard]] Descriptor* dial_tcp(std::span<const Address> addresses, const DialOptions& options,
                                   std::error_code& error);

// Connects `file` (a new socket) to an address of any kind and registers it. The observer, if any, is told the
// descriptor before the wait, and null after it.
struct DialObserver {
  virtual void waiting(Descriptor* descriptor) = 0;

 protected:
  ~DialObserver() = default;
};
[[nodiscard]] Descriptor* connect_file(class OwnedFile& file, const sockaddr* address, socklen_t size,
                                       sched::Clock::time_point deadline, const Context& context,
                                       DialObserver* observer, std::error_code& error);

}  // namespace creel::net::detail
