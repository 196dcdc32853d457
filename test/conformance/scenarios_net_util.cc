// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Sockets: reads that wait, an echo, deadlines; connecting and accepting.

#include <creel/creel.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string_view>

#include "test/conformance/scenarios_util.h"

namespace creel::test {
namespace {

using namespace std::chrono_literals;
using net::Deadline;
using net::TcpListener;
using net::TcpStream;

// A listener and the two ends of one connection, made before the first round.
struct Link {
  TcpListener listener;
  TcpStream client;
  TcpStream server;
};

Link link;

void make_link() {
  link.listener = TcpListener::bind("127.0.0.1:0");
  Channel<void> accepted;
  go([&] {
    link.server = link.listener.accept();
    accepted.send();
  });
  link.client = TcpStream::connect(link.listener.local_address());
  (void)accepted.recv();
}

std::size_t read(TcpStream& stream, std::array<char, 8>& room) {
  std::error_code ended;  // by a deadline, or a close
  return stream.read_some(room, ended);
}

void net_read() {
  WaitGroup wg;
  wg.go([] {
    std::array<char, 8> room;
    read(link.server, room);
  });
  yield();
  link.client.write_all("x");
  wg.wait();
}

void net_echo() {
  WaitGroup wg;
  wg.go([] {
    std::array<char, 8> room;
    for (int i = 0; i < 3; ++i) {
      const std::size_t got = read(link.server, room);
      link.server.write_all(std::string_view(room.data(), got));
    }
  });
  std::array<char, 8> room;
  for (int i = 0; i < 3; ++i) {
    link.client.write_all("x");
    read(link.client, room);
  }
  wg.wait();
}

void net_deadline() {
  link.client.set_read_deadline(2ms);
  std::array<char, 8> room;
  read(link.client, room);
  link.client.set_read_deadline(Deadline::never());
}

void net_deadline_wakes() {
  WaitGroup wg;
  wg.go([] {
    std::array<char, 8> room;
    read(link.client, room);
  });
  yield();
  link.client.set_read_deadline(-1s);
  wg.wait();
  link.client.set_read_deadline(Deadline::never());
}

// A connection that is made at once, but not known to be: its maker waits. The other end is there by then.
void net_connect() {
  TcpStream client = TcpStream::connect(link.listener.local_address());
  TcpStream server = link.listener.accept();
  client.close();
  server.close();
}

// An accept that waits. The connection comes from outside: nothing of it shows in the trace.
void net_accept() {
  WaitGroup wg;
  wg.go([] { link.listener.accept().close(); });
  yield();
  const net::Address address = link.listener.local_address();
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, address.data(), address.size()) != 0) throw std::runtime_error("connect");
  wg.wait();
  ::close(fd);
}

constexpr Scenario kScenarios[] = {
    {.name = "net_read", .run = net_read, .prepare = make_link},
    {.name = "net_echo", .run = net_echo, .prepare = make_link},
    {.name = "net_deadline", .run = net_deadline, .prepare = make_link},
    {.name = "net_deadline_wakes", .run = net_deadline_wakes, .prepare = make_link},
    {.name = "net_connect", .run = net_connect, .prepare = make_link, .any_syscalls = true},
    {.name = "net_accept", .run = net_accept, .prepare = make_link, .any_syscalls = true},
};

}  // namespace

std::span<const Scenario> net_scenarios() { return kScenarios; }

}  // namespace creel::test
