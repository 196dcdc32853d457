// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/error.h"

#include <netdb.h>

#include <string>

namespace creel::net {
namespace {

class NetCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "creel.net"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::closed:
        return "use of a closed socket";
      case Errc::unexpected_end:
        return "the stream ended before all bytes had come";
      case Errc::bad_address:
        return "not an address: host:port is accepted, with an IPv6 host in brackets";
      case Errc::no_address:
        return "the host has no suitable address";
    }
    return "unknown error " + std::to_string(value);
  }
  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<Errc>(value)) {
      case Errc::closed:
        return std::errc::operation_canceled;
      case Errc::bad_address:
        return std::errc::invalid_argument;
      default:
        return {value, *this};
    }
  }
};

class ResolveCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "creel.resolve"; }
  std::string message(int value) const override { return ::gai_strerror(value); }
};

}  // namespace

const std::error_category& net_category() noexcept {
  static const NetCategory category;
  return category;
}

const std::error_category& resolve_category() noexcept {
  static const ResolveCategory category;
  return category;
}

namespace detail {

std::error_code to_error_code(int error) noexcept {
  if (error == 0) return {};
  if (error == kClosed) return Errc::closed;
  return {error, std::generic_category()};
}

void throw_if(const std::error_code& error, const char* what) {
  if (error) [[unlikely]] throw std::system_error(error, what);
}

}  // namespace detail
}  // namespace creel::net
