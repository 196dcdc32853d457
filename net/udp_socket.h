// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// UDP.

#pragma once

#include <string_view>
#include <system_error>

#include "creel/net/address.h"
#include "creel/net/datagram.h"

namespace creel::net {

struct UdpOptions {
  bool reuse_address = false;
  bool reuse_port = false;
  bool broadcast = false;
};

class UdpSocket : public DatagramSocket {
 public:
  // Closed; to be assigned to.
  UdpSocket() noexcept = default;

  // A socket at "host:port" (as TcpListener::bind). Caller: a fiber.
  [[nodiscard]] static UdpSocket bind(std::string_view host_port, const UdpOptions& options, std::error_code& error);
  [[nodiscard]] static UdpSocket bind(std::string_view host_port, const UdpOptions& options = {});
  [[nodiscard]] static UdpSocket bind(const Address& address, const UdpOptions& options, std::error_code& error);
  [[nodiscard]] static UdpSocket bind(const Address& address, const UdpOptions& options = {});
  // One that talks to a single peer, by send() and receive(); errors of the way there are reported.
  [[nodiscard]] static UdpSocket connect(std::string_view host_port, std::error_code& error);
  [[nodiscard]] static UdpSocket connect(std::string_view host_port);
  [[nodiscard]] static UdpSocket connect(const Address& address, std::error_code& error);
  [[nodiscard]] static UdpSocket connect(const Address& address);

  template <ConstBuffers B>
  std::size_t send_to(B&& buffers, const Address& to, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return send_message(vectors, to.data(), to.size(), nullptr, error);
  }
  template <ConstBuffers B>
  std::size_t send_to(B&& buffers, const Address& to, const Context& context, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return send_message(vectors, to.data(), to.size(), &context, error);
  }
  template <ConstBuffers B>
  std::size_t send_to(B&& buffers, const Address& to, const Context& context = Context::background()) {
    std::error_code error;
    const std::size_t sent = send_to(buffers, to, context, error);
    detail::throw_if(error, "creel::net: send_to");
    return sent;
  }
  // `from`: who sent it.
  template <MutableBuffers B>
  Message receive_from(B&& buffers, Address& from, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return receive_address(vectors, from, nullptr, error);
  }
  template <MutableBuffers B>
  Message receive_from(B&& buffers, Address& from, const Context& context, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return receive_address(vectors, from, &context, error);
  }
  template <MutableBuffers B>
  Message receive_from(B&& buffers, Address& from, const Context& context = Context::background()) {
    std::error_code error;
    const Message message = receive_from(buffers, from, context, error);
    detail::throw_if(error, "creel::net: receive_from");
    return message;
  }

  [[nodiscard]] Address local_address(std::error_code& error) const { return address_of(End::kLocal, error); }
  [[nodiscard]] Address local_address() const { return address_of(End::kLocal, "creel::net: local_address"); }

 private:
  explicit UdpSocket(detail::Descriptor* descriptor) noexcept : DatagramSocket(descriptor) {}
  Message receive_address(detail::Vectors& vectors, Address& from, const Context* context, std::error_code& error);
};

}  // namespace creel::net
