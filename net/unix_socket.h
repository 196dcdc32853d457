// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Sockets of one machine, named by a path. A path that begins with '@' names the abstract namespace, which leaves no
// file. Errors beside those of the calls: std::errc::filename_too_long (107 bytes), std::errc::invalid_argument
// (empty).

#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "creel/net/datagram.h"
#include "creel/net/stream.h"

namespace creel::net {

class UnixStream : public StreamSocket {
 public:
  UnixStream() noexcept = default;
  // Connects to a listener. Waits until it has room in its queue, or `context` ends. Caller: a fiber.
  [[nodiscard]] static UnixStream connect(std::string_view path, std::error_code& error);
  [[nodiscard]] static UnixStream connect(std::string_view path, const Context& context, std::error_code& error);
  [[nodiscard]] static UnixStream connect(std::string_view path);
  [[nodiscard]] static UnixStream connect(std::string_view path, const Context& context);
  // Two ends of one connection.
  [[nodiscard]] static std::pair<UnixStream, UnixStream> pair();

 private:
  friend class UnixListener;
  explicit UnixStream(detail::Descriptor* descriptor) noexcept : StreamSocket(descriptor) {}
};

class UnixListener : public Socket {
 public:
  UnixListener() noexcept = default;
  UnixListener(UnixListener&&) noexcept = default;
  UnixListener& operator=(UnixListener&& other) noexcept;
  ~UnixListener();

  // Makes the file `path` and listens at it. Errors: std::errc::address_in_use if there is a file of that name. Caller:
  // a fiber.
  [[nodiscard]] static UnixListener bind(std::string_view path, std::error_code& error, int backlog = 4096);
  [[nodiscard]] static UnixListener bind(std::string_view path);
  // As TcpListener::accept().
  [[nodiscard]] UnixStream accept(std::error_code& error) { return accept_one(nullptr, error); }
  [[nodiscard]] UnixStream accept(const Context& context, std::error_code& error) {
    return accept_one(&context, error);
  }
  [[nodiscard]] UnixStream accept();
  [[nodiscard]] UnixStream accept(const Context& context);
  // Closes, and removes the file.
  void close(std::error_code& error);
  void close();
  // Whether the file goes with the listener; it does unless told otherwise.
  void set_unlink_on_close(bool on) noexcept { unlink_ = on; }

 private:
  [[nodiscard]] UnixStream accept_one(const Context* context, std::error_code& error);
  UnixListener(detail::Descriptor* descriptor, std::string_view path) : Socket(descriptor), path_(path) {}

  std::string path_;
  bool unlink_ = true;
};

class UnixDatagram : public DatagramSocket {
 public:
  UnixDatagram() noexcept = default;
  // A socket that receives at `path`; its file stays when it is closed.
  [[nodiscard]] static UnixDatagram bind(std::string_view path, std::error_code& error);
  [[nodiscard]] static UnixDatagram bind(std::string_view path);
  // One without a name that sends to `path`.
  [[nodiscard]] static UnixDatagram connect(std::string_view path, std::error_code& error);
  [[nodiscard]] static UnixDatagram connect(std::string_view path);
  [[nodiscard]] static std::pair<UnixDatagram, UnixDatagram> pair();

  template <ConstBuffers B>
  std::size_t send_to(B&& buffers, std::string_view path, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return send_path(vectors, path, nullptr, error);
  }
  template <ConstBuffers B>
  std::size_t send_to(B&& buffers, std::string_view path, const Context& context, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return send_path(vectors, path, &context, error);
  }
  template <ConstBuffers B>
  std::size_t send_to(B&& buffers, std::string_view path, const Context& context = Context::background()) {
    std::error_code error;
    const std::size_t sent = send_to(buffers, path, context, error);
    detail::throw_if(error, "creel::net: send_to");
    return sent;
  }
  // `from`: the sender's path, empty if it has none.
  template <MutableBuffers B>
  Message receive_from(B&& buffers, std::string& from, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return receive_path(vectors, from, nullptr, error);
  }
  template <MutableBuffers B>
  Message receive_from(B&& buffers, std::string& from, const Context& context, std::error_code& error) {
    detail::Vectors vectors(buffers);
    return receive_path(vectors, from, &context, error);
  }
  template <MutableBuffers B>
  Message receive_from(B&& buffers, std::string& from, const Context& context = Context::background()) {
    std::error_code error;
    const Message message = receive_from(buffers, from, context, error);
    detail::throw_if(error, "creel::net: receive_from");
    return message;
  }

 private:
  explicit UnixDatagram(detail::Descriptor* descriptor) noexcept : DatagramSocket(descriptor) {}
  std::size_t send_path(detail::Vectors& vectors, std::string_view path, const Context* context,
                        std::error_code& error);
  Message receive_path(detail::Vectors& vectors, std::string& from, const Context* context, std::error_code& error);
};

}  // namespace creel::net
