// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/datagram.h"

#include "creel/net/cancellable.h"
#include "creel/net/sys.h"

namespace creel::net {

using detail::Descriptor;
using detail::kClosed;
using detail::retry_ready;
using detail::Side;
using detail::SideGuard;

std::size_t DatagramSocket::send_message(detail::Vectors& vectors, const sockaddr* to, socklen_t size,
                                         const Context* context, std::error_code& error) {
  Descriptor* const d = descriptor();
  ssize_t result = -kClosed;
  if (d != nullptr) {
    SideGuard guard(*d, Side::kWrite);
    result = -guard.error();
    if (result == 0) {
      msghdr message{};
      message.msg_name = const_cast<sockaddr*>(to);
      message.msg_namelen = size;
      message.msg_iov = vectors.data();
      message.msg_iovlen = vectors.count();
      result = retry_ready(*d, Side::kWrite, context, [&] { return sys::send_message(d->fd(), &message, 0); });
    }
  }
  error = detail::to_error_code(result < 0 ? static_cast<int>(-result) : 0);
  return result < 0 ? 0 : static_cast<std::size_t>(result);
}

Message DatagramSocket::receive_message(detail::Vectors& vectors, sockaddr* from, socklen_t* size,
                                        const Context* context, std::error_code& error) {
  Descriptor* const d = descriptor();
  ssize_t result = -kClosed;
  msghdr message{};
  if (d != nullptr) {
    SideGuard guard(*d, Side::kRead);
    result = -guard.error();
    if (result == 0) {
      message.msg_iov = vectors.data();
      message.msg_iovlen = vectors.count();
      result = retry_ready(*d, Side::kRead, context, [&] {
        message.msg_name = from;
        message.msg_namelen = size != nullptr ? *size : 0;
        return sys::recv_message(d->fd(), &message, 0);
      });
    }
  }
  error = detail::to_error_code(result < 0 ? static_cast<int>(-result) : 0);
  if (result < 0) return {};
  if (size != nullptr) *size = message.msg_namelen;
  return {static_cast<std::size_t>(result), (message.msg_flags & MSG_TRUNC) != 0};
}

}  // namespace creel::net
