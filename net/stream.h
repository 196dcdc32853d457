// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A connected byte stream: what TcpStream and UnixStream share. Reading and writing: stream_calls.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include "creel/net/socket.h"
#include "creel/net/stream_calls.h"

namespace creel::net {

class StreamSocket : public Socket, public StreamCalls<StreamSocket> {
 public:
  StreamSocket() noexcept = default;

  // Sends `count` bytes of `file` from `offset` on without copying them through the program; fewer if the file ends.
  // `file` stays the caller's.
  std::uint64_t send_file(int file, std::int64_t offset, std::uint64_t count, std::error_code& error);
  std::uint64_t send_file(int file, std::int64_t offset, std::uint64_t count);

  // Ends one direction: the peer reads the end of the stream / reads here return 0.
  void shutdown_write(std::error_code& error);
  void shutdown_write();
  void shutdown_read(std::error_code& error);
  void shutdown_read();

 protected:
  explicit StreamSocket(detail::Descriptor* descriptor) noexcept : Socket(descriptor) {}

 private:
  friend class StreamCalls<StreamSocket>;

  std::size_t read(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
  std::size_t write(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
  std::size_t read_entered(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
  std::size_t write_entered(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
};

}  // namespace creel::net
