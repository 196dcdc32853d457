// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/accept.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include "creel/net/cancellable.h"
#include "creel/net/error.h"
#include "creel/net/socket.h"
#include "creel/net/sys.h"
#include "creel/sched/base/log.h"

namespace creel::net::detail {
namespace {

constexpr std::chrono::milliseconds kFirstPause{5};
constexpr std::chrono::milliseconds kLastPause{1000};

// Whether the kernel tells of an error of the connection, not of the listener (accept(2), "Error handling").
bool concerns_the_connection(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

bool lacks_room(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// The file of the next connection, or -error.
int next_connection(Descriptor& listener, const Context* context) {
  std::chrono::milliseconds pause{0};
  for (;;) {
    const int result =
        retry_ready(listener, Side::kRead, context, [&] { return sys::accept(listener.fd(), nullptr, nullptr); });
    if (result >= 0) return result;
    if (concerns_the_connection(-result)) continue;
    if (!lacks_room(-result)) return result;
    if (pause == pause.zero()) {
      sched::log_warning(std::string("accept: ") + std::strerror(-result) + "; trying again until there is room");
    }
    // The connection stays in the kernel's queue, of which there will be no new event: look again after a while.
    pause = std::clamp(pause * 2, kFirstPause, kLastPause);
    std::optional<CancelGuard> guard;
    sync::CancelNode* const node = context == nullptr ? nullptr : context->canceller();
    if (node != nullptr) guard.emplace(listener, Side::kRead, *node);
    if (const int error = listener.wait_until(Side::kRead, Clock::now() + pause)) {
      return -(error == ECANCELED ? error_of(*node) : error);
    }
  }
}

}  // namespace

Descriptor* accept_connection(Descriptor* listener, const Context* context, const char* what,
                              std::error_code& error) {
  error.clear();
  int result = -kClosed;
  if (listener != nullptr) {
    SideGuard guard(*listener, Side::kRead);
    result = guard.error() != 0 ? -guard.error() : next_connection(*listener, context);
  }
  if (result < 0) {
    error = to_error_code(-result);
    return nullptr;
  }
  OwnedFile file(result);
  return file.open(what, error);
}

}  // namespace creel::net::detail
