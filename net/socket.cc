// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "creel/net/sys.h"

namespace creel::net {

void Socket::set_option(int level, int name, int value, std::error_code& error) {
  with_file([&](int fd) { return detail::set_int(fd, level, name, value); }, error);
}

void Socket::set_option(int level, int name, int value) {
  std::error_code error;
  set_option(level, name, value, error);
  detail::throw_if(error, "creel::net: set_option");
}

int Socket::option(int level, int name, std::error_code& error) const {
  int value = 0;
  with_file(
      [&](int fd) {
        socklen_t size = sizeof value;
        return sys::get_option(fd, level, name, &value, &size);
      },
      error);
  return value;
}

int Socket::option(int level, int name) const {
  std::error_code error;
  const int value = option(level, name, error);
  detail::throw_if(error, "creel::net: option");
  return value;
}

Address Socket::address_of(End end, std::error_code& error) const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  with_file(
      [&](int fd) { return end == End::kPeer ? sys::peer_name(fd, raw, &size) : sys::local_name(fd, raw, &size); },
      error);
  return error ? Address() : Address::from(raw, size).value_or(Address());
}

Address Socket::address_of(End end, const char* what) const {
  std::error_code error;
  const Address address = address_of(end, error);
  detail::throw_if(error, what);
  return address;
}

namespace detail {

int set_int(int fd, int level, int name, int value) { return sys::set_option(fd, level, name, &value, sizeof value); }

int set_keepalive(int fd, const KeepAlive& keepalive) {
  if (!keepalive.enabled) return set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
  int error = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (error == 0) error = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(keepalive.idle.count()));
  if (error == 0) error = set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(keepalive.interval.count()));
  if (error == 0) error = set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive.count);
  return error;
}

}  // namespace detail
}  // namespace creel::net
