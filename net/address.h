// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The address of an IPv4 or IPv6 endpoint: host and port.
//
// A value of 28 bytes, comparable, with the kernel's own layout inside. Thread safety: as any value.

#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace creel::net {

class Address {
 public:
  // 0.0.0.0:0.
  Address() noexcept;
  [[nodiscard]] static Address v4(std::array<std::uint8_t, 4> host, std::uint16_t port) noexcept;
  [[nodiscard]] static Address v6(std::array<std::uint8_t, 16> host, std::uint16_t port,
                                  std::uint32_t scope = 0) noexcept;
  [[nodiscard]] static Address loopback_v4(std::uint16_t port) noexcept { return v4({127, 0, 0, 1}, port); }
  [[nodiscard]] static Address loopback_v6(std::uint16_t port) noexcept;
  // Every address of the machine; v6 includes v4 unless the socket says otherwise.
  [[nodiscard]] static Address any_v4(std::uint16_t port) noexcept { return v4({}, port); }
  [[nodiscard]] static Address any_v6(std::uint16_t port) noexcept { return v6({}, port); }

  // "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80": digits only, no names (resolve() knows names). Errors:
  // Errc::bad_address.
  [[nodiscard]] static Address parse(std::string_view text, std::error_code& error);
  [[nodiscard]] static Address parse(std::string_view text);
  // Null: not an IPv4 or IPv6 address.
  [[nodiscard]] static std::optional<Address> from(const sockaddr* address, socklen_t size) noexcept;
  // An address literal without port or brackets.
  [[nodiscard]] static std::optional<Address> from_host(std::string_view host, std::uint16_t port);

  [[nodiscard]] bool is_v4() const noexcept { return storage_.any.sa_family == AF_INET; }
  [[nodiscard]] bool is_v6() const noexcept { return storage_.any.sa_family == AF_INET6; }
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] bool is_unspecified() const noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] Address with_port(std::uint16_t port) const noexcept;
  // A v4 address in v6 form (::ffff:1.2.3.4) as v4; else itself.
  [[nodiscard]] Address unmapped() const noexcept;
  [[nodiscard]] std::string host() const;       // "127.0.0.1", "::1"
  [[nodiscard]] std::string to_string() const;  // "127.0.0.1:80", "[::1]:80"

  [[nodiscard]] const sockaddr* data() const noexcept { return &storage_.any; }
  [[nodiscard]] socklen_t size() const noexcept { return is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }
  [[nodiscard]] int family() const noexcept { return storage_.any.sa_family; }

  // By family, host, scope, port.
  friend std::strong_ordering operator<=>(const Address& a, const Address& b) noexcept;
  friend bool operator==(const Address& a, const Address& b) noexcept { return (a <=> b) == 0; }

 private:
  union Storage {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_;
};

namespace detail {

// "host:port" into its parts, an IPv6 host without its brackets. Null: not of that form.
[[nodiscard]] std::optional<std::pair<std::string_view, std::string_view>> split_host_port(
    std::string_view text) noexcept;
// A decimal port.
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text) noexcept;

}  // namespace detail
}  // namespace creel::net
