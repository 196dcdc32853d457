// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <charconv>
#include <cstring>

#include "creel/net/error.h"

namespace creel::net {

Address::Address() noexcept : storage_{} { storage_.any.sa_family = AF_INET; }

Address Address::v4(std::array<std::uint8_t, 4> host, std::uint16_t port) noexcept {
  Address address;
  std::memcpy(&address.storage_.v4.sin_addr, host.data(), host.size());
  address.storage_.v4.sin_port = htons(port);
  return address;
}

Address Address::v6(std::array<std::uint8_t, 16> host, std::uint16_t port, std::uint32_t scope) noexcept {
  Address address;
  address.storage_.v6 = {};
  address.storage_.v6.sin6_family = AF_INET6;
  std::memcpy(&address.storage_.v6.sin6_addr, host.data(), host.size());
  address.storage_.v6.sin6_port = htons(port);
  address.storage_.v6.sin6_scope_id = scope;
  return address;
}

Address Address::loopback_v6(std::uint16_t port) noexcept {
  return v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, port);
}

std::optional<Address> Address::from(const sockaddr* address, socklen_t size) noexcept {
  Address result;
  if (size >= sizeof(sockaddr_in) && address->sa_family == AF_INET) {
    std::memcpy(&result.storage_.v4, address, sizeof(sockaddr_in));
    std::memset(result.storage_.v4.sin_zero, 0, sizeof result.storage_.v4.sin_zero);
    return result;
  }
  if (size >= sizeof(sockaddr_in6) && address->sa_family == AF_INET6) {
    std::memcpy(&result.storage_.v6, address, sizeof(sockaddr_in6));
    return result;
  }
  return std::nullopt;
}

std::optional<Address> Address::from_host(std::string_view host, std::uint16_t port) {
  const std::string text(host.substr(0, host.find('%')));
  std::array<std::uint8_t, 16> bytes{};
  if (text.size() == host.size() && ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
    return v4({bytes[0], bytes[1], bytes[2], bytes[3]}, port);
  }
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return std::nullopt;
  std::uint32_t scope = 0;
  if (text.size() != host.size()) {
    const std::string zone(host.substr(text.size() + 1));
    const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), scope);
    if (error != std::errc() || end != zone.data() + zone.size()) scope = ::if_nametoindex(zone.c_str());
    if (scope == 0) return std::nullopt;
  }
  return v6(bytes, port, scope);
}

Address Address::parse(std::string_view text, std::error_code& error) {
  error.clear();
  if (const auto parts = detail::split_host_port(text)) {
    const auto port = detail::parse_port(parts->second);
    if (port.has_value()) {
      if (const auto address = from_host(parts->first, *port)) return *address;
    }
  }
  error = Errc::bad_address;
  return {};
}

Address Address::parse(std::string_view text) {
  std::error_code error;
  const Address address = parse(text, error);
  if (error) throw std::system_error(error, "creel::net::Address::parse(\"" + std::string(text) + "\")");
  return address;
}

bool Address::is_loopback() const noexcept {
  if (is_v4()) return (ntohl(storage_.v4.sin_addr.s_addr) >> 24) == 127;
  return IN6_IS_ADDR_LOOPBACK(&storage_.v6.sin6_addr) ||
         (IN6_IS_ADDR_V4MAPPED(&storage_.v6.sin6_addr) && unmapped().is_loopback());
}

bool Address::is_unspecified() const noexcept {
  return is_v4() ? storage_.v4.sin_addr.s_addr == 0 : IN6_IS_ADDR_UNSPECIFIED(&storage_.v6.sin6_addr);
}

std::uint16_t Address::port() const noexcept { return ntohs(is_v4() ? storage_.v4.sin_port : storage_.v6.sin6_port); }

Address Address::with_port(std::uint16_t port) const noexcept {
  Address result = *this;
  (is_v4() ? result.storage_.v4.sin_port : result.storage_.v6.sin6_port) = htons(port);
  return result;
}

Address Address::unmapped() const noexcept {
  if (!is_v6() || !IN6_IS_ADDR_V4MAPPED(&storage_.v6.sin6_addr)) return *this;
  const std::uint8_t* bytes = storage_.v6.sin6_addr.s6_addr;
  return v4({bytes[12], bytes[13], bytes[14], bytes[15]}, port());
}

std::string Address::host() const {
  char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
  if (is_v4()) {
    ::inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
    return text;
  }
  ::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
  std::string result = text;
  if (storage_.v6.sin6_scope_id != 0) {
    char name[IF_NAMESIZE];
    result += '%';
    result += ::if_indextoname(storage_.v6.sin6_scope_id, name) != nullptr ? std::string(name)
                                                                         : std::to_string(storage_.v6.sin6_scope_id);
  }
  return result;
}

std::string Address::to_string() const {
  const std::string port_text = ":" + std::to_string(port());
  return is_v4() ? host() + port_text : "[" + host() + "]" + port_text;
}

std::strong_ordering operator<=>(const Address& a, const Address& b) noexcept {
  if (const auto order = a.family() <=> b.family(); order != 0) return order;
  const int hosts = a.is_v4() ? std::memcmp(&a.storage_.v4.sin_addr, &b.storage_.v4.sin_addr, sizeof(in_addr))
                              : std::memcmp(&a.storage_.v6.sin6_addr, &b.storage_.v6.sin6_addr, sizeof(in6_addr));
  if (hosts != 0) return hosts <=> 0;
  if (a.is_v6()) {
    if (const auto order = a.storage_.v6.sin6_scope_id <=> b.storage_.v6.sin6_scope_id; order != 0) return order;
  }
  return a.port() <=> b.port();
}

namespace detail {

std::optional<std::pair<std::string_view, std::string_view>> split_host_port(std::string_view text) noexcept {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return std::nullopt;
    host = host.substr(1, host.size() - 2);
    if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return std::nullopt;
  }
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  return std::pair{host, port};
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return port;
}

}  // namespace detail
}  // namespace creel::net
