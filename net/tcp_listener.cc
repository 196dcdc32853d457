// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/tcp_listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string>
#include <vector>

#include "creel/net/accept.h"
#include "creel/net/resolve.h"
#include "creel/net/sys.h"

namespace creel::net {
namespace {

// 0 or -errno.
int configure(int fd, const Address& address, const ListenOptions& options) {
  int failed = 0;
  const auto set = [&](int level, int name, bool value) {
    if (failed == 0) failed = detail::set_int(fd, level, name, value ? 1 : 0);
  };
  if (options.reuse_address) set(SOL_SOCKET, SO_REUSEADDR, true);
  if (options.reuse_port) set(SOL_SOCKET, SO_REUSEPORT, true);
  if (address.is_v6()) set(IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only);
  set(IPPROTO_TCP, TCP_NODELAY, options.nodelay);
  if (failed == 0) failed = detail::set_keepalive(fd, options.keepalive);
  if (failed == 0) failed = sys::bind(fd, address.data(), address.size());
  if (failed == 0) failed = sys::listen(fd, options.backlog);
  return failed;
}

}  // namespace

TcpListener TcpListener::bind(const Address& address, const ListenOptions& options, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::net::TcpListener::bind()"));
  detail::OwnedFile file(sys::socket(address.family(), SOCK_STREAM, 0));
  const int failed = file.get() < 0 ? file.get() : configure(file.get(), address, options);
  error = detail::to_error_code(-failed);
  if (error) return {};
  return TcpListener(file.open("creel::net::TcpListener::bind()", error));
}

TcpListener TcpListener::bind(std::string_view host_port, const ListenOptions& options, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::net::TcpListener::bind()"));
  const std::vector<Address> addresses = resolve(host_port, {.passive = true}, error);
  TcpListener listener;
  // Every address of the machine is v6's, where there is v6; else v4's.
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    listener = bind(addresses[i], options, error);
    if (error != std::errc::address_family_not_supported && error != std::errc::address_not_available) break;
  }
  return listener;
}

TcpListener TcpListener::bind(std::string_view host_port, std::error_code& error) { return bind(host_port, {}, error); }

TcpListener TcpListener::bind(std::string_view host_port, const ListenOptions& options) {
  std::error_code error;
  TcpListener listener = bind(host_port, options, error);
  if (error) throw std::system_error(error, "creel::net::TcpListener::bind(\"" + std::string(host_port) + "\")");
  return listener;
}

TcpListener TcpListener::bind(const Address& address, const ListenOptions& options) {
  std::error_code error;
  TcpListener listener = bind(address, options, error);
  if (error) throw std::system_error(error, "creel::net::TcpListener::bind(" + address.to_string() + ")");
  return listener;
}

TcpStream TcpListener::accept_one(const Context* context, std::error_code& error) {
  return TcpStream(detail::accept_connection(descriptor(), context, "creel::net::TcpListener::accept()", error));
}

TcpStream TcpListener::accept() {
  std::error_code error;
  TcpStream stream = accept(error);
  detail::throw_if(error, "creel::net::TcpListener::accept()");
  return stream;
}

TcpStream TcpListener::accept(const Context& context) {
  std::error_code error;
  TcpStream stream = accept(context, error);
  detail::throw_if(error, "creel::net::TcpListener::accept()");
  return stream;
}

}  // namespace creel::net
