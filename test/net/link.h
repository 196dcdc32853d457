// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A TCP connection over loopback, both ends in this process.

#pragma once

#include <sys/socket.h>

#include <string>

#include "creel/net/tcp_listener.h"
#include "creel/net/tcp_stream.h"
#include "test/net/fixture.h"

namespace creel::test {

// The two ends of a connection.
struct Link {
  Link() {
    net::TcpListener listener = net::TcpListener::bind("127.0.0.1:0");
    WaitGroup wg;
    wg.go([&] { server = listener.accept(); });
    client = net::TcpStream::connect(listener.local_address());
    wg.wait();
  }
  net::TcpStream client;
  net::TcpStream server;
};

// Writes until the kernel takes no more.
inline void fill(net::TcpStream& stream) {
  const std::string text(1 << 16, 'f');
  stream.set_write_deadline(0ms);
  stream.set_write_deadline(net::Deadline::never());
  while (::send(stream.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
}

}  // namespace creel::test
