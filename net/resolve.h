// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Names to addresses.
//
// Literals are answered at once. Names go to getaddrinfo(), on a fiber of its own with a large stack, in a blocking
// section, at most 32 of them at a time; the caller parks, and leaves at its deadline though the look-up goes on in the
// background.

#pragma once

#include <chrono>
#include <concepts>
#include <string_view>
#include <system_error>
#include <vector>

#include "creel/net/address.h"
#include "creel/sched/timer.h"
#include "creel/sync/context.h"
#include "creel/sync/deadline.h"

namespace creel::net {

struct ResolveOptions {
  // For an endpoint to listen on: an empty host means every address of the machine. Else it means this machine
  // (loopback).
  bool passive = false;
  sched::Clock::time_point deadline = sched::Clock::time_point::max();
  Context context = {};
};

// The addresses of "host:port", best first (RFC 6724), never empty unless `error` is set. The port may be a service's
// name. Errors: Errc::bad_address (not of that form), resolve_category() (no such host ...), std::errc::timed_out,
// std::errc::operation_canceled (the context).
// Caller: a fiber. Blocking: parks.
[[nodiscard]] std::vector<Address> resolve(std::string_view host_port, const ResolveOptions& options,
                                           std::error_code& error);
[[nodiscard]] std::vector<Address> resolve(std::string_view host_port, std::error_code& error);
[[nodiscard]] std::vector<Address> resolve(std::string_view host_port, const ResolveOptions& options = {});
template <std::same_as<Context> C>
[[nodiscard]] std::vector<Address> resolve(std::string_view host_port, const C& context, std::error_code& error) {
  return resolve(host_port, ResolveOptions{.context = context}, error);
}
template <std::same_as<Context> C>
[[nodiscard]] std::vector<Address> resolve(std::string_view host_port, const C& context) {
  return resolve(host_port, ResolveOptions{.context = context});
}

}  // namespace creel::net
