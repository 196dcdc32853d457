// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sync/scope.h"

#include <stdexcept>

namespace creel {

Scope::Scope(const Context& parent) : Scope(parent.with_cancel()) {}

Scope::Scope(std::pair<Context, CancelSource> made)
    : context_(std::move(made.first)), source_(std::move(made.second)), unwinding_(std::uncaught_exceptions()) {}

Scope::~Scope() noexcept(false) {
  if (joined_) return;
  if (std::uncaught_exceptions() == unwinding_) {
    join();
  } else {
    cancel();
    fibers_.wait();
  }
}

void Scope::begin() {
  if (joined_) throw std::logic_error("creel::Scope: go() after join()");
  fibers_.add(1);
}

void Scope::fail(std::exception_ptr error) noexcept {
  lock_.lock();
  const bool first = error_ == nullptr;
  if (first) error_ = error;
  lock_.unlock();
  if (first) cancel(std::move(error));
}

void Scope::join() {
  if (joined_) return;
  fibers_.wait();
  joined_ = true;
  cancel();
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace creel
