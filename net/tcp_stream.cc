// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

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
