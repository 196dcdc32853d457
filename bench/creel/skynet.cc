// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Skynet: a tree of fibers, ten children each; leaves send their number up an unbuffered channel, nodes the sum.

#include <creel/creel.h>

#include <stdexcept>

#include "bench/harness/harness.h"

namespace {

void node(creel::Channel<std::int64_t>& parent, std::int64_t number, std::int64_t size) {
  if (size == 1) {
    parent.send(number);
    return;
  }
  creel::Channel<std::int64_t> children;
  for (std::int64_t i = 0; i < 10; ++i) {
    creel::go([&children, first = number + i * (size / 10), below = size / 10] { node(children, first, below); });
  }
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < 10; ++i) sum += *children.recv();
  parent.send(sum);
}

// The power of ten next below a million times the scale.
const bench::Registration kSkynet{"skynet", "ms", [](bench::Run& run) {
                                    const std::int64_t most = run.count(1'000'000);
                                    std::int64_t leaves = 10;
                                    while (leaves * 10 <= most) leaves *= 10;
                                    std::int64_t sum = 0;
                                    run.measure(leaves, [&] {
                                      creel::Channel<std::int64_t> root;
                                      creel::go([&root, leaves] { node(root, 0, leaves); });
                                      sum = *root.recv();
                                    });
                                    if (sum != leaves * (leaves - 1) / 2) throw std::logic_error("wrong sum");
                                    run.set_value(1e-6 * static_cast<double>(run.wall().count()));
                                  }};

}  // namespace
