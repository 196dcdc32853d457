// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Servers on loopback under the load of bench_load: one fiber per connection that echoes what it reads; one that
// accepts and closes.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <system_error>
#include <utility>

#include <creel/creel.h>

#include "bench/harness/harness.h"
#include "bench/harness/load.h"

namespace {

using creel::net::TcpListener;
using creel::net::TcpStream;

void echo(TcpStream& stream) {
  std::array<char, 1024> room;
  std::error_code error;
  for (;;) {
    const std::size_t got = stream.read_some(room, error);
    if (error || got == 0) return;
    stream.write_all(std::span(room).first(got), error);
    if (error) return;
  }
}

// `before_end` is called while the connections are still there.
void measure(bench::Run& run, bench::Load& load, std::int64_t total, const std::function<void()>& before_end = [] {}) {
  load.start();
  creel::blocking([&] { load.await_ready(); });
  run.measure(total, [&] { creel::blocking([&] { load.run(); }); });
  load.report(run);
  before_end();
  creel::blocking([&] { load.finish(); });
}

template <std::int64_t kConnections>
void echo_server(bench::Run& run) {
  const std::int64_t total = run.count(kConnections == 1 ? 100'000 : 500'000);
  TcpListener listener = TcpListener::bind("127.0.0.1:0");
  creel::WaitGroup wg;
  wg.go([&] {
    for (std::int64_t i = 0; i < kConnections; ++i) {
      wg.go([stream = listener.accept()]() mutable { echo(stream); });
    }
  });
  bench::Load load({"echo", listener.local_address().port(), kConnections, total});
  measure(run, load, total);
  wg.wait();
}

// As in a server, a fiber per connection.
void accept_server(bench::Run& run) {
  const std::int64_t total = run.count(100'000);
  TcpListener listener = TcpListener::bind("127.0.0.1:0");
  creel::WaitGroup wg;
  wg.go([&] {
    for (;;) {
      std::error_code error;
      TcpStream stream = listener.accept(error);
      if (error) return;
      wg.go([stream = std::move(stream)]() mutable { stream.close(); });
    }
  });
  bench::Load load({"accept", listener.local_address().port(), 16, total});
  measure(run, load, total);
  listener.close();
  wg.wait();
}

// What a connection costs while it is open: ten thousand of them, each of which has echoed ten times.
void held_connections(bench::Run& run) {
  const std::int64_t connections = run.count(10'000);
  TcpListener listener = TcpListener::bind("127.0.0.1:0");
  creel::WaitGroup wg;
  wg.go([&] {
    for (std::int64_t i = 0; i < connections; ++i) {
      wg.go([stream = listener.accept()]() mutable { echo(stream); });
    }
  });
  const std::int64_t before = bench::resident_bytes();
  bench::Load load({"echo", listener.local_address().port(), connections, 10 * connections});
  measure(run, load, 10 * connections,
          [&] { run.set_value(static_cast<double>(bench::resident_bytes() - before) / static_cast<double>(connections)); });
  wg.wait();
}

const bench::Registration kHeld{"tcp_held", "bytes/connection", &held_connections};
const bench::Registration kAccept{"tcp_accept", "ns/connection", &accept_server};
const bench::Registration kEcho1{"tcp_echo_1", "ns/request", &echo_server<1>};
const bench::Registration kEcho1000{"tcp_echo_1000", "ns/request", &echo_server<1000>};
const bench::Registration kEcho64{"tcp_echo_64", "ns/request", &echo_server<64>};

}  // namespace
