// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Channels and select.

#include <creel/creel.h>

#include <chrono>

#include "test/conformance/scenarios_util.h"

namespace creel::test {
namespace {

using namespace std::chrono_literals;

void chan_receiver_first() {
  Channel<int> c;
  Channel<bool> done;
  go([&] {
    c.recv();
    done.send(true);
  });
  yield();
  c.send(1);
  done.recv();
}

void chan_sender_first() {
  Channel<int> c;
  Channel<bool> done;
  go([&] {
    c.send(1);
    done.send(true);
  });
  yield();
  c.recv();
  done.recv();
}

void chan_ping_pong() {
  Channel<int> ping;
  Channel<int> pong;
  WaitGroup wg;
  wg.go([&] {
    for (int i = 0; i < 4; ++i) pong.send(*ping.recv());
  });
  for (int i = 0; i < 4; ++i) {
    ping.send(i);
    pong.recv();
  }
  wg.wait();
}

void chan_buffered_full() {
  Channel<int> c(2);
  WaitGroup wg;
  wg.go([&] {
    for (int i = 0; i < 5; ++i) c.send(i);
    c.close();
  });
  yield();
  while (c.recv()) {
  }
  wg.wait();
}

void chan_buffered_empty() {
  Channel<int> c(8);
  WaitGroup wg;
  wg.go([&] {
    while (c.recv()) {
    }
  });
  yield();
  for (int i = 0; i < 3; ++i) c.send(i);
  yield();
  c.close();
  wg.wait();
}

void chan_close_wakes_receivers() {
  Channel<int> c;
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) wg.go([&] { c.recv(); });
  yield();
  c.close();
  wg.wait();
}

void chan_close_wakes_senders() {
  Channel<int> c;
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([&, i] {
      try {
        c.send(i);
      } catch (const ChannelClosed&) {  // Go panics, the twin recovers
      }
    });
  }
  yield();
  c.close();
  wg.wait();
}

void chan_fifo_receivers() {
  Channel<int> c;
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) wg.go([&] { c.recv(); });
  yield();
  for (int i = 0; i < 3; ++i) c.send(i);
  wg.wait();
}

void chan_pipeline() {
  Channel<int> a;
  Channel<int> b;
  WaitGroup wg;
  wg.go([&] {
    for (int i = 0; i < 5; ++i) a.send(i);
    a.close();
  });
  wg.go([&] {
    while (const auto i = a.recv()) b.send(*i);
    b.close();
  });
  while (b.recv()) {
  }
  wg.wait();
}

void select_receive() {
  Channel<int> a;
  Channel<int> b;
  WaitGroup wg;
  wg.go([&] {
    for (int i = 0; i < 2; ++i) select(on_recv(a, [](auto&&) {}), on_recv(b, [](auto&&) {}));
  });
  yield();
  b.send(1);
  yield();
  a.send(2);
  wg.wait();
}

void select_send() {
  Channel<int> a;
  Channel<int> b;
  WaitGroup wg;
  wg.go([&] {
    for (int i = 0; i < 2; ++i) select(on_send(a, 1, [] {}), on_send(b, 2, [] {}));
  });
  yield();
  b.recv();
  yield();
  a.recv();
  wg.wait();
}

void select_default() {
  Channel<int> c;
  select(on_recv(c, [](auto&&) {}), otherwise([] {}));
}

void select_ready() {
  Channel<int> a(1);
  Channel<int> b(1);
  a.send(1);
  b.send(2);
  for (int i = 0; i < 2; ++i) select(on_recv(a, [](auto&&) {}), on_recv(b, [](auto&&) {}));
}

void select_close() {
  Channel<int> a;
  Channel<int> b;
  WaitGroup wg;
  wg.go([&] { select(on_recv(a, [](auto&&) {}), on_recv(b, [](auto&&) {})); });
  yield();
  a.close();
  wg.wait();
}

void select_timeout() {
  Channel<int> c;
  select(on_recv(c, [](auto&&) {}), after(2ms, [] {}));
}

void select_meets_select() {
  Channel<int> a;
  Channel<int> b;
  WaitGroup wg;
  wg.go([&] { select(on_send(a, 1, [] {}), on_recv(b, [](auto&&) {})); });
  wg.go([&] { select(on_recv(a, [](auto&&) {}), on_send(b, 2, [] {})); });
  wg.wait();
}

void select_forever() {
  go([] { select(); });
  yield();
}

constexpr Scenario kScenarios[] = {
    {.name = "chan_receiver_first", .run = chan_receiver_first},
    {.name = "chan_sender_first", .run = chan_sender_first},
    {.name = "chan_ping_pong", .run = chan_ping_pong},
    {.name = "chan_buffered_full", .run = chan_buffered_full},
    {.name = "chan_buffered_empty", .run = chan_buffered_empty},
    {.name = "chan_close_wakes_receivers", .run = chan_close_wakes_receivers, .any_order = true},
    {.name = "chan_close_wakes_senders", .run = chan_close_wakes_senders, .any_order = true},
    {.name = "chan_fifo_receivers", .run = chan_fifo_receivers},
    {.name = "chan_pipeline", .run = chan_pipeline},
    {.name = "select_receive", .run = select_receive},
    {.name = "select_send", .run = select_send},
    {.name = "select_default", .run = select_default},
    {.name = "select_ready", .run = select_ready},
    {.name = "select_close", .run = select_close},
    {.name = "select_timeout", .run = select_timeout},
    {.name = "select_meets_select", .run = select_meets_select},
    {.name = "select_forever", .run = select_forever},
};

}  // namespace

std::span<const Scenario> channel_scenarios() { return kScenarios; }

}  // namespace creel::test
