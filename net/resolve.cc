// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/resolve.h"

#include <netdb.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>
#include <source_location>
#include <string>
#include <utility>

#include "creel/net/cancellable.h"
#include "creel/net/epoll_poller.h"
#include "creel/net/error.h"
#include "creel/net/sys.h"
#include "creel/sched/blocking.h"
#include "creel/sched/spawn.h"
#include "creel/sync/wait_group.h"

namespace creel::net {
namespace {

constexpr std::size_t kLookupStack = 512u << 10;  // getaddrinfo() and the modules it loads

// Shared by the caller and the fiber that looks up: the caller may leave first.
struct Lookup {
  std::string host;
  std::string port;
  bool passive = false;
  std::vector<Address> found;  // valid once done
  std::error_code error;
  WaitGroup done;
};

void look_up(Lookup& lookup) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // one entry per address
  hints.ai_flags = lookup.passive ? AI_PASSIVE : 0;
  addrinfo* list = nullptr;
  int failed_errno = 0;
  const int result = blocking([&] {
    if (const int error = sys::injected(sys::Call::kResolve)) {
      failed_errno = error;
      return EAI_SYSTEM;
    }
    const char* host = lookup.host.empty() ? nullptr : lookup.host.c_str();
    const int r = ::getaddrinfo(host, lookup.port.c_str(), &hints, &list);
    failed_errno = errno;
    return r;
  });
  if (result != 0) {
    lookup.error = result == EAI_SYSTEM ? std::error_code(failed_errno, std::generic_category())
                                        : std::error_code(result, resolve_category());
    return;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto address = Address::from(entry->ai_addr, entry->ai_addrlen);
    if (address && std::ranges::find(lookup.found, *address) == lookup.found.end()) lookup.found.push_back(*address);
  }
  if (lookup.found.empty()) lookup.error = Errc::no_address;
}

}  // namespace

std::vector<Address> resolve(std::string_view host_port, const ResolveOptions& options, std::error_code& error) {
  error.clear();
  EpollPoller& poller = EpollPoller::current("creel::net::resolve()");
  const auto parts = detail::split_host_port(host_port);
  if (!parts || parts->second.empty()) {
    error = Errc::bad_address;
    return {};
  }
  if (const auto port = detail::parse_port(parts->second)) {
    if (const auto literal = Address::from_host(parts->first, *port)) return {*literal};
    if (parts->first.empty()) {
      // Not asked of the system: works without any network configured.
      if (options.passive) return {Address::any_v6(*port), Address::any_v4(*port)};
      return {Address::loopback_v4(*port), Address::loopback_v6(*port)};
    }
  } else if (std::ranges::none_of(parts->second, [](unsigned char c) { return std::isalpha(c) != 0; })) {
    error = Errc::bad_address;  // a number out of range, which getaddrinfo() would cut
    return {};
  }
  auto lookup = std::make_shared<Lookup>();
  lookup->host = parts->first;
  lookup->port = parts->second;
  lookup->passive = options.passive;
  // Not done.go(): when the caller has left, the fiber owns the group, which must outlive its done().
  auto find = [lookup, &poller] {
    poller.resolver_permits().acquire();
    look_up(*lookup);
    poller.resolver_permits().release();
    lookup->done.done();
  };
  const auto callable = sched::callable_of(find);
  const FiberOptions fiber{.stack_size = kLookupStack};
  lookup->done.add(1);
  sched::spawn_detached(std::move(find), callable, std::source_location::current(), &fiber, "creel::net::resolve()");
  // The deadline as part of the context: one wait for both.
  const Context limit = options.deadline == sched::Clock::time_point::max()
                            ? options.context
                            : options.context.with_deadline(options.deadline);
  if (!lookup->done.wait(limit)) {
    error = detail::to_error_code(detail::error_of(*limit.canceller()));
    return {};
  }
  error = lookup->error;
  return std::move(lookup->found);
}

std::vector<Address> resolve(std::string_view host_port, std::error_code& error) {
  return resolve(host_port, {}, error);
}

std::vector<Address> resolve(std::string_view host_port, const ResolveOptions& options) {
  std::error_code error;
  std::vector<Address> found = resolve(host_port, options, error);
  if (error) throw std::system_error(error, "creel::net::resolve(\"" + std::string(host_port) + "\")");
  return found;
}

}  // namespace creel::net
