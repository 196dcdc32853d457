// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Error codes of net/.
//
// What the kernel says is std::generic/system category (errno). A deadline that passed is std::errc::timed_out, the
// same code that the kernel gives for a connection whose peer does not answer. The rest has a category of its own, Errc
// below, and resolve()'s a second one with getaddrinfo()'s codes and texts. Every function has two forms: with a
// trailing std::error_code&, which it sets or clears, and without, which throws std::system_error. Thread safety: all.

#pragma once

#include <system_error>
#include <type_traits>

namespace creel::net {

enum class Errc {
  // The socket was closed by this program: before the call, or during it by another fiber. Equal to
  // std::errc::operation_canceled as a condition.
  closed = 1,
  // The stream ended before all bytes asked for had come (read_full).
  unexpected_end,
  // Text that is not "host:port"; the exception names it.
  bad_address,
  // The name exists but has no address of the wanted kind.
  no_address,
};

[[nodiscard]] const std::error_category& net_category() noexcept;
[[nodiscard]] const std::error_category& resolve_category() noexcept;  // values: EAI_* of <netdb.h>

[[nodiscard]] inline std::error_code make_error_code(Errc error) noexcept {
  return {static_cast<int>(error), net_category()};
}

namespace detail {

// Internal errors: errno values, and beyond them:
inline constexpr int kClosed = 1 << 16;
// The error code for an internal error; 0 clears.
[[nodiscard]] std::error_code to_error_code(int error) noexcept;
// Throws std::system_error if `error` is set.
void throw_if(const std::error_code& error, const char* what);

}  // namespace detail
}  // namespace creel::net

template <>
struct std::is_error_code_enum<creel::net::Errc> : std::true_type {};
