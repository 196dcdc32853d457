// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A socket of messages: what UdpSocket and UnixDatagram share. Deadlines and close: socket.h.

#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <system_error>

#include "creel/net/buffer.h"
#include "creel/net/socket.h"
#include "creel/sync/context.h"

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
  // buffers. When the context ends: std::errc::operation_canceled or timed_out.
  template <ConstBuffers B>
  std::size_t send(B&& buffers, std::error_code& error) {
    return send_one(buffers, nullptr, error);
  }
  template <ConstBuffers B>
  std::size_t send(B&& buffers, const Context& context, std::error_code& error) {
    return send_one(buffers, &context, error);
  }
  template <ConstBuffers B>
  std::size_t send(B&& buffers) {
    std::error_code error;
    const std::size_t sent = send_one(buffers, nullptr, error);
    detail::throw_if(error, "creel::net: send");
    return sent;
  }
  template <ConstBuffers B>
  std::size_t send(B&& buffers, const Context& context) {
    std::error_code error;
    const std::size_t sent = send_one(buffers, &context, error);
    detail::throw_if(error, "creel::net: send");
    return sent;
  }
  template <MutableBuffers B>
  Message receive(B&& buffers, std::error_code& error) {
    return receive_one(buffers, nullptr, error);
  }
  template <MutableBuffers B>
  Message receive(B&& buffers, const Context& context, std::error_code& error) {
    return receive_one(buffers, &context, error);
  }
  template <MutableBuffers B>
  Message receive(B&& buffers) {
    std::error_code error;
    const Message message = receive_one(buffers, nullptr, error);
    detail::throw_if(error, "creel::net: receive");
    return message;
  }
  template <MutableBuffers B>
  Message receive(B&& buffers, const Context& context) {
    std::error_code error;
    const Message message = receive_one(buffers, &context, error);
    detail::throw_if(error, "creel::net: receive");
    return message;
  }

 protected:
  explicit DatagramSocket(detail::Descriptor* descriptor) noexcept : Socket(descriptor) {}
  // `context`, and `from` and `size` (its room, then its length), may be null.
  std::size_t send_message(detail::Vectors& vectors, const sockaddr* to, socklen_t size, const Context* context,
                           std::error_code& error);
  Message receive_message(detail::Vectors& vectors, sockaddr* from, socklen_t* size, const Context* context,
                          std::error_code& error);

 private:
  template <typename B>
  std::size_t send_one(B& buffers, const Context* context, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return send_message(vectors, nullptr, 0, context, error);
  }
  template <typename B>
  Message receive_one(B& buffers, const Context* context, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return receive_message(vectors, nullptr, nullptr, context, error);
  }
};

}  // namespace creel::net
