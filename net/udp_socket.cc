// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/udp_socket.h"

#include <cerrno>
#include <string>
#include <vector>

#include "creel/net/resolve.h"
#include "creel/net/sys.h"

namespace creel::net {

UdpSocket UdpSocket::bind(const Address& address, const UdpOptions& options, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::net::UdpSocket::bind()"));
  detail::OwnedFile file(sys::socket(address.family(), SOCK_DGRAM, 0));
  int failed = file.get() < 0 ? file.get() : 0;
  const auto set = [&](bool wanted, int name) {
    if (failed == 0 && wanted) failed = detail::set_int(file.get(), SOL_SOCKET, name, 1);
  };
  set(options.reuse_address, SO_REUSEADDR);
  set(options.reuse_port, SO_REUSEPORT);
  set(options.broadcast, SO_BROADCAST);
  if (failed == 0) failed = sys::bind(file.get(), address.data(), address.size());
  error = detail::to_error_code(-failed);
  if (error) return {};
  return UdpSocket(file.open("creel::net::UdpSocket::bind()", error));
}

UdpSocket UdpSocket::bind(std::string_view host_port, const UdpOptions& options, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::net::UdpSocket::bind()"));
  const std::vector<Address> addresses = resolve(host_port, {.passive = true}, error);
  UdpSocket socket;
  for (const Address& address : addresses) {
    socket = bind(address, options, error);
    if (error != std::errc::address_family_not_supported && error != std::errc::address_not_available) break;
  }
  return socket;
}

UdpSocket UdpSocket::bind(std::string_view host_port, const UdpOptions& options) {
  std::error_code error;
  UdpSocket socket = bind(host_port, options, error);
  if (error) throw std::system_error(error, "creel::net::UdpSocket::bind(\"" + std::string(host_port) + "\")");
  return socket;
}

UdpSocket UdpSocket::bind(const Address& address, const UdpOptions& options) {
  std::error_code error;
  UdpSocket socket = bind(address, options, error);
  if (error) throw std::system_error(error, "creel::net::UdpSocket::bind(" + address.to_string() + ")");
  return socket;
}

UdpSocket UdpSocket::connect(const Address& address, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::net::UdpSocket::connect()"));
  detail::OwnedFile file(sys::socket(address.family(), SOCK_DGRAM, 0));
  int failed = 0;
  do {  // interrupted: without a connection there is no attempt that goes on
    failed = file.get() < 0 ? file.get() : sys::connect(file.get(), address.data(), address.size());
  } while (failed == -EINPROGRESS);
  error = detail::to_error_code(-failed);
  if (error) return {};
  return UdpSocket(file.open("creel::net::UdpSocket::connect()", error));
}

UdpSocket UdpSocket::connect(std::string_view host_port, std::error_code& error) {
  UdpSocket socket;
  for (const Address& address : resolve(host_port, error)) {
    socket = connect(address, error);
    if (!error) break;
  }
  return socket;
}

UdpSocket UdpSocket::connect(std::string_view host_port) {
  std::error_code error;
  UdpSocket socket = connect(host_port, error);
  if (error) throw std::system_error(error, "creel::net::UdpSocket::connect(\"" + std::string(host_port) + "\")");
  return socket;
}

UdpSocket UdpSocket::connect(const Address& address) {
  std::error_code error;
  UdpSocket socket = connect(address, error);
  if (error) throw std::system_error(error, "creel::net::UdpSocket::connect(" + address.to_string() + ")");
  return socket;
}

Message UdpSocket::receive_address(detail::Vectors& vectors, Address& from, const Context* context,
                                   std::error_code& error) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  const Message message = receive_message(vectors, reinterpret_cast<sockaddr*>(&storage), &size, context, error);
  if (!error) from = Address::from(reinterpret_cast<sockaddr*>(&storage), size).value_or(Address());
  return message;
}

}  // namespace creel::net
