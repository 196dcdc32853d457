// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/handle.h"

#include "creel/net/epoll_poller.h"
#include "creel/net/sys.h"

namespace creel::net {

void Handle::close(std::error_code& error) {
  error = detail::to_error_code(descriptor_ == nullptr ? detail::kClosed : descriptor_->close());
}

void Handle::close() {
  std::error_code error;
  close(error);
  detail::throw_if(error, "creel: close");
}

void Handle::set(bool read, bool write, Deadline deadline, std::error_code& error) {
  error = detail::to_error_code(descriptor_ == nullptr ? detail::kClosed
                                                       : descriptor_->set_deadline(read, write, deadline.when()));
}

void Handle::set(bool read, bool write, Deadline deadline) {
  std::error_code error;
  set(read, write, deadline, error);
  detail::throw_if(error, "creel: set_deadline");
}

namespace detail {

OwnedFile::~OwnedFile() { close(); }

int OwnedFile::close() noexcept { return fd_ < 0 ? 0 : -sys::close(std::exchange(fd_, -1)); }

Descriptor* OwnedFile::open(const char* what, std::error_code& error, Polling wanted) {
  Descriptor* descriptor = EpollPoller::current(what).open(fd_, error, wanted);
  if (descriptor != nullptr) fd_ = -1;
  return descriptor;
}

}  // namespace detail
}  // namespace creel::net
