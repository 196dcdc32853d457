// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A TCP connection.

#pragma once

#include <chrono>
#include <concepts>
#include <string_view>
#include <system_error>

#include "creel/net/address.h"
#include "creel/net/stream.h"

namespace creel::net {

struct ConnectOptions {
  // For the look-up of the name and all attempts together.
  Deadline deadline = Deadline::never();
  // How long the first address's family has until the other one is tried beside it (dial.h).
  std::chrono::nanoseconds fallback_delay = std::chrono::milliseconds(300);
  // Small writes are sent at once (TCP_NODELAY), as Go does; off: the kernel may collect them.
  bool nodelay = true;
  // Ends the look-up and the attempts: std::errc::operation_canceled or timed_out.
  Context context = {};
};

class TcpStream : public StreamSocket {
 public:
  // Closed; to be assigned to.
  TcpStream() noexcept = default;

  // Connects to "host:port", a literal or a name. Errors: those of resolve() and connect(2), std::errc::timed_out.
  // Caller: a fiber. Blocking: parks. In the forms with a Context: templates, so that {} still means options.
  [[nodiscard]] static TcpStream connect(std::string_view host_port, const ConnectOptions& options,
                                         std::error_code& error);
  [[nodiscard]] static TcpStream connect(std::string_view host_port, std::error_code& error);
  [[nodiscard]] static TcpStream connect(std::string_view host_port, const ConnectOptions& options = {});
  template <std::same_as<Context> C>
  [[nodiscard]] static TcpStream connect(std::string_view host_port, const C& context, std::error_code& error) {
    return connect(host_port, ConnectOptions{.context = context}, error);
  }
  template <std::same_as<Context> C>
  [[nodiscard]] static TcpStream connect(std::string_view host_port, const C& context) {
    return connect(host_port, ConnectOptions{.context = context});
  }
  [[nodiscard]] static TcpStream connect(const Address& address, const ConnectOptions& options, std::error_code& error);
  [[nodiscard]] static TcpStream connect(const Address& address, std::error_code& error);
  [[nodiscard]] static TcpStream connect(const Address& address, const ConnectOptions& options = {});
  template <std::same_as<Context> C>
  [[nodiscard]] static TcpStream connect(const Address& address, const C& context, std::error_code& error) {
    return connect(address, ConnectOptions{.context = context}, error);
  }
  template <std::same_as<Context> C>
  [[nodiscard]] static TcpStream connect(const Address& address, const C& context) {
    return connect(address, ConnectOptions{.context = context});
  }

  [[nodiscard]] Address local_address(std::error_code& error) const { return address_of(End::kLocal, error); }
  [[nodiscard]] Address local_address() const { return address_of(End::kLocal, "creel::net: local_address"); }
  [[nodiscard]] Address peer_address(std::error_code& error) const { return address_of(End::kPeer, error); }
  [[nodiscard]] Address peer_address() const { return address_of(End::kPeer, "creel::net: peer_address"); }

  void set_nodelay(bool on);
  void set_keepalive(const KeepAlive& keepalive);
  // What close() does with bytes not sent yet: seconds >= 0: dropped after so long (0: at once, with a reset); < 0:
  // sent in the background, the default.
  void set_linger(std::chrono::seconds time);

 private:
  friend class TcpListener;
  explicit TcpStream(detail::Descriptor* descriptor) noexcept : StreamSocket(descriptor) {
    if (descriptor != nullptr) descriptor->set_less_is_empty();
  }
};

}  // namespace creel::net
