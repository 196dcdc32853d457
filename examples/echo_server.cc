// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A TCP server that sends back what it gets, one fiber per connection, until SIGINT or SIGTERM.
// Usage: echo_server [ADDRESS], default 127.0.0.1:0 (a free port, which it prints).
//
// In the trace: connections wait on "network", each read and write is a short syscall, and at the signal all who wait
// with the context wake in one instant. The fiber "runtime.signals" is the one that waits for signals.

#include <array>
#include <atomic>
#include <cstdio>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <signal.h>

#include <creel/creel.h>

#include "examples/arguments.h"

namespace {

// Until the peer has ended its side, or `context` ends. Returns the bytes sent back.
std::size_t echo(creel::net::TcpStream& stream, const creel::Context& context) {
  std::array<char, 4096> room;
  std::size_t total = 0;
  std::error_code error;  // a peer that goes away is nothing special here
  while (const std::size_t got = stream.read_some(room, context, error)) {
    total += stream.write_all(std::span(room).first(got), context, error);
    if (error) break;
  }
  return total;
}

int serve(const std::string& address) {
  auto [context, stop] = creel::notify_context(creel::Context::background(), SIGINT, SIGTERM);
  std::error_code error;
  creel::net::TcpListener listener = creel::net::TcpListener::bind(address, error);
  if (error) {
    fmt::print(stderr, "echo_server: cannot listen at \"{}\": {}\n", address, error.message());
    return 1;
  }
  fmt::print("listening at {}\n", listener.local_address().to_string());
  std::fflush(stdout);

  std::atomic<std::size_t> connections = 0;
  std::atomic<std::size_t> bytes = 0;
  creel::Scope scope(context);
  while (!error) {
    creel::net::TcpStream stream = listener.accept(context, error);
    if (error) break;
    ++connections;
    scope.go([&bytes, peer = std::move(stream)](const creel::Context& until) mutable { bytes += echo(peer, until); });
  }
  listener.close();  // nobody gets in any more
  scope.join();      // all have ended
  fmt::print("{} connections, {} bytes\n", connections.load(), bytes.load());
  if (context.ended()) return 0;
  fmt::print(stderr, "echo_server: accept: {}\n", error.message());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "echo_server [ADDRESS]", 0, 1);
  const std::string address(arguments.text(1, "127.0.0.1:0"));
  return creel::run([&] { return serve(address); });
}
