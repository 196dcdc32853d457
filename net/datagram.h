// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A socket of messages: what UdpSocket and UnixDatagram share. Deadlines and close: socket.h.

#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <system_error>

#include "creel/net/buffer.h"
#include "creel/net/socket.h"

namespace creel::net {

// What a receive got.
struct Message {
  std::size_t size = 0;    // bytes stored
  bool truncated = false;  // the message was longer than the buffers; the rest is lost
};

class DatagramSocket : public Socket {
 public:
  DatagramSocket() noexcept = default;

  // One message to / from the peer of a connected socket, or, for the second, from anybody. Parks until there is room /
  // one comes. Errors: also what an earlier message came back with (std::errc::connection_refused). At most kMaxVectors
  // buffers.
  template <ConstBuffers B>
  std::size_t send(B&& buffers, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return send_message(vectors, nullptr, 0, error);
  }
  template <ConstBuffers B>
  std::size_t send(B&& buffers) {
    std::error_code error;
    const std::size_t sent = send(buffers, error);
    detail::throw_if(error, "creel::net: send");
    return sent;
  }
  template <MutableBuffers B>
  Message receive(B&& buffers, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return receive_message(vectors, nullptr, nullptr, error);
  }
  template <MutableBuffers B>
  Message receive(B&& buffers) {
    std::error_code error;
    const Message message = receive(buffers, error);
    detail::throw_if(error, "creel::net: receive");
    return message;
  }

 protected:
  explicit DatagramSocket(detail::Descriptor* descriptor) noexcept : Socket(descriptor) {}
  std::size_t send_message(detail::Vectors& vectors, const sockaddr* to, socklen_t size, std::error_code& error);
  // `from` and `size` (its room, then its length) may be null.
  Message receive_message(detail::Vectors& vectors, sockaddr* from, socklen_t* size, std::error_code& error);
};

}  // namespace creel::net
