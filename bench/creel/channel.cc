// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Channels: a round trip over two unbuffered ones, streams over buffered ones, a select over four.

#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

void ping_pong(bench::Run& run) {
  const std::int64_t trips = run.count(1'000'000);
  creel::Channel<int> ping;
  creel::Channel<int> pong;
  creel::WaitGroup wg;
  wg.add(1);
  creel::go([&] {
    while (std::optional<int> value = ping.recv()) pong.send(*value);
    wg.done();
  });
  run.measure(trips, [&] {
    for (std::int64_t i = 0; i < trips; ++i) {
      ping.send(1);
      pong.recv();
    }
  });
  ping.close();
  wg.wait();
}

// `pairs` senders share `items` items, `pairs` receivers take until the channel is closed.
void stream(bench::Run& run, std::size_t capacity, std::int64_t pairs, std::int64_t full) {
  const std::int64_t items = run.count(full, pairs);
  std::int64_t received = 0;
  run.measure(items, [&] {
    creel::Channel<int> channel(capacity);
    creel::WaitGroup senders;
    creel::WaitGroup receivers;
    creel::Mutex mutex;
    for (std::int64_t i = 0; i < pairs; ++i) {
      receivers.add(1);
      creel::go([&] {
        std::int64_t mine = 0;
        while (channel.recv()) ++mine;
        mutex.lock();
        received += mine;
        mutex.unlock();
        receivers.done();
      });
      senders.add(1);
      creel::go([&, each = items / pairs] {
        for (std::int64_t k = 0; k < each; ++k) channel.send(static_cast<int>(k));
        senders.done();
      });
    }
    senders.wait();
    channel.close();
    receivers.wait();
  });
  if (received != items) throw std::logic_error("items were lost");
}

// Four senders, a channel each; one receiver selects over all four.
void select_over_four(bench::Run& run, std::size_t capacity) {
  const std::int64_t items = run.count(1'000'000, 4);
  std::int64_t sum = 0;
  run.measure(items, [&] {
    std::array<creel::Channel<int>, 4> channels{creel::Channel<int>(capacity), creel::Channel<int>(capacity),
                                                creel::Channel<int>(capacity), creel::Channel<int>(capacity)};
    creel::WaitGroup senders;
    for (creel::Channel<int>& channel : channels) {
      senders.add(1);
      creel::go([&senders, &channel, each = items / 4] {
        for (std::int64_t k = 0; k < each; ++k) channel.send(1);
        senders.done();
      });
    }
    const auto take = [&sum](std::optional<int> value) { sum += *value; };
    for (std::int64_t i = 0; i < items; ++i) {
      creel::select(creel::on_recv(channels[0], take), creel::on_recv(channels[1], take),
                    creel::on_recv(channels[2], take), creel::on_recv(channels[3], take));
    }
    senders.wait();
  });
  if (sum != items) throw std::logic_error("items were lost");
}

const bench::Registration kPingPong{"pingpong", "ns/round trip", &ping_pong};
const bench::Registration kCap1{"chan_cap1_1to1", "ns/item", [](bench::Run& run) { stream(run, 1, 1, 2'000'000); }};
const bench::Registration kCap128{"chan_cap128_1to1", "ns/item",
                                  [](bench::Run& run) { stream(run, 128, 1, 10'000'000); }};
const bench::Registration kCap128x4{"chan_cap128_4to4", "ns/item",
                                    [](bench::Run& run) { stream(run, 128, 4, 10'000'000); }};
const bench::Registration kSelect0{"select4_cap0", "ns/item", [](bench::Run& run) { select_over_four(run, 0); }};
const bench::Registration kSelect128{"select4_cap128", "ns/item", [](bench::Run& run) { select_over_four(run, 128); }};

}  // namespace
