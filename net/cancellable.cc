// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/cancellable.h"

namespace creel::net::detail {

CancelGuard::CancelGuard(Descriptor& descriptor, Side side, sync::CancelNode& node)
    : descriptor_(descriptor), side_(side), node_(node), hook_(sync::CancelHook::Kind::kCall, this, [](void* self) {
        auto& guard = *static_cast<CancelGuard*>(self);
        guard.descriptor_.cancel(guard.side_);
      }) {
  if (!node_.watch(hook_)) descriptor_.cancel(side_);
}

CancelGuard::~CancelGuard() {
  node_.forget(hook_);
  descriptor_.uncancel(side_);
}

}  // namespace creel::net::detail
