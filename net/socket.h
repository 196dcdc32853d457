// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What all sockets have beside what every handle has (handle.h): options, and where their ends are.

#pragma once

#include <sys/socket.h>

#include <chrono>
#include <system_error>

#include "creel/net/address.h"
#include "creel/net/handle.h"

namespace creel::net {

// How a connection is probed while nothing is sent.
struct KeepAlive {
  bool enabled = true;
  std::chrono::seconds idle{15};      // before the first probe
  std::chrono::seconds interval{15};  // between probes
  int count = 9;                      // unanswered probes until the connection is given up
};

class Socket : public Handle {
 public:
  // Closed; to be assigned to.
  Socket() noexcept = default;

  // Any option of setsockopt(2) / getsockopt(2) that is an int.
  void set_option(int level, int name, int value, std::error_code& error);
  void set_option(int level, int name, int value);
  [[nodiscard]] int option(int level, int name, std::error_code& error) const;
  [[nodiscard]] int option(int level, int name) const;
  // Sizes of the kernel's buffers, bytes.
  void set_receive_buffer(int bytes) { set_option(SOL_SOCKET, SO_RCVBUF, bytes); }
  void set_send_buffer(int bytes) { set_option(SOL_SOCKET, SO_SNDBUF, bytes); }

 protected:
  explicit Socket(detail::Descriptor* descriptor) noexcept : Handle(descriptor) {}
  // The address of one end, for sockets of IPv4 and IPv6.
  enum class End { kLocal, kPeer };
  [[nodiscard]] Address address_of(End end, std::error_code& error) const;
  [[nodiscard]] Address address_of(End end, const char* what) const;
};

namespace detail {

// 0 or -errno.
int set_int(int fd, int level, int name, int value);
int set_keepalive(int fd, const KeepAlive& keepalive);

}  // namespace detail
}  // namespace creel::net
