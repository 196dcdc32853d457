// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A listening TCP socket.

#pragma once

#include <string_view>
#include <system_error>

#include "creel/net/address.h"
#include "creel/net/socket.h"
#include "creel/net/tcp_stream.h"

namespace creel::net {

struct ListenOptions {
  int backlog = 4096;          // connections the kernel keeps until they are accepted; it has a limit of its own
  bool reuse_address = true;   // a port whose former connections still linger may be taken
  bool reuse_port = false;     // several sockets may listen at one port and share its connections
  bool v6_only = false;        // a v6 address does not take v4 connections
  // Given to each connection; the kernel copies them, so accept() costs no further call.
  bool nodelay = true;
  KeepAlive keepalive = {};
};

class TcpListener : public Socket {
 public:
  // Closed; to be assigned to.
  TcpListener() noexcept = default;

  // Listens at "host:port": a literal, a name (its first address), or ":port" for every address of the machine (v6 and
  // v4). Port 0: one that is free. Errors: those of resolve(), socket(2), bind(2), listen(2). Caller: a fiber.
  // Blocking: parks for a name.
  [[nodiscard]] static TcpListener bind(std::string_view host_port, const ListenOptions& options,
                                        std::error_code& error);
  [[nodiscard]] static TcpListener bind(std::string_view host_port, std::error_code& error);
  [[nodiscard]] static TcpListener bind(std::string_view host_port, const ListenOptions& options = {});
  [[nodiscard]] static TcpListener bind(const Address& address, const ListenOptions& options, std::error_code& error);
  [[nodiscard]] static TcpListener bind(const Address& address, const ListenOptions& options = {});

  // The next connection. Several fibers may wait. Errors: Errc::closed, std::errc::timed_out (the read deadline), what
  // accept(2) reports but for want of files or memory, which it sits out (accept.h); when the context ends
  // std::errc::operation_canceled or timed_out. Blocking: parks.
  [[nodiscard]] TcpStream accept(std::error_code& error) { return accept_one(nullptr, error); }
  [[nodiscard]] TcpStream accept(const Context& context, std::error_code& error) { return accept_one(&context, error); }
  [[nodiscard]] TcpStream accept();
  [[nodiscard]] TcpStream accept(const Context& context);

  [[nodiscard]] Address local_address(std::error_code& error) const { return address_of(End::kLocal, error); }
  [[nodiscard]] Address local_address() const { return address_of(End::kLocal, "creel::net: local_address"); }

 private:
  explicit TcpListener(detail::Descriptor* descriptor) noexcept : Socket(descriptor) {}
  [[nodiscard]] TcpStream accept_one(const Context* context, std::error_code& error);
};

}  // namespace creel::net
