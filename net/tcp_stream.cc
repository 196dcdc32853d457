// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <span>
#include <string>
#include <vector>

#include "creel/net/dial.h"
#include "creel/net/resolve.h"
#include "creel/net/sys.h"

namespace creel::net {
namespace {

detail::DialOptions dial_options(const ConnectOptions& options) {
  return {.deadline = options.deadline.when(),
          .fallback_delay = options.fallback_delay,
          .nodelay = options.nodelay,
          .context = options.context};
}

}  // namespace

TcpStream TcpStream::connect(std::string_view host_port, const ConnectOptions& options, std::error_code& error) {
  const std::vector<Address> addresses =
      resolve(host_port, {.deadline = options.deadline.when(), .context = options.context}, error);
  if (error) return {};
  return TcpStream(detail::dial_tcp(addresses, dial_options(options), error));
}

TcpStream TcpStream::connect(std::string_view host_port, std::error_code& error) {
  return connect(host_port, {}, error);
}

TcpStream TcpStream::connect(std::string_view host_port, const ConnectOptions& options) {
  std::error_code error;
  TcpStream stream = connect(host_port, options, error);
  if (error) throw std::system_error(error, "creel::net::TcpStream::connect(\"" + std::string(host_port) + "\")");
  return stream;
}

TcpStream TcpStream::connect(const Address& address, const ConnectOptions& options, std::error_code& error) {
  return TcpStream(detail::dial_tcp(std::span(&address, 1), dial_options(options), error));
}

TcpStream TcpStream::connect(const Address& address, std::error_code& error) { return connect(address, {}, error); }

TcpStream TcpStream::connect(const Address& address, const ConnectOptions& options) {
  std::error_code error;
  TcpStream stream = connect(address, options, error);
  if (error) throw std::system_error(error, "creel::net::TcpStream::connect(" + address.to_string() + ")");
  return stream;
}

namespace detail {

Address address_of(int fd, bool peer, int& error) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  error = peer ? sys::peer_name(fd, raw, &size) : sys::local_name(fd, raw, &size);
  if (error != 0) return {};
  return Address::from(raw, size).value_or(Address());
}

}  // namespace detail

Address TcpStream::local_address(std::error_code& error) const {
  Address address;
  with_file(
      [&](int fd) {
        int failed = 0;
        address = detail::address_of(fd, false, failed);
        return failed;
      },
      error);
  return address;
}

Address TcpStream::local_address() const {
  std::error_code error;
  const Address address = local_address(error);
  detail::throw_if(error, "creel::net: local_address");
  return address;
}

Address TcpStream::peer_address(std::error_code& error) const {
  Address address;
  with_file(
      [&](int fd) {
        int failed = 0;
        address = detail::address_of(fd, true, failed);
        return failed;
      },
      error);
  return address;
}

Address TcpStream::peer_address() const {
  std::error_code error;
  const Address address = peer_address(error);
  detail::throw_if(error, "creel::net: peer_address");
  return address;
}

void TcpStream::set_nodelay(bool on) { set_option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0); }

void TcpStream::set_keepalive(const KeepAlive& keepalive) {
  std::error_code error;
  with_file([&](int fd) { return detail::set_keepalive(fd, keepalive); }, error);
  detail::throw_if(error, "creel::net: set_keepalive");
}

void TcpStream::set_linger(std::chrono::seconds time) {
  const bool on = time.count() >= 0;
  const linger value{.l_onoff = on ? 1 : 0, .l_linger = on ? static_cast<int>(time.count()) : 0};
  std::error_code error;
  with_file([&](int fd) { return sys::set_option(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value); }, error);
  detail::throw_if(error, "creel::net: set_linger");
}

}  // namespace creel::net
