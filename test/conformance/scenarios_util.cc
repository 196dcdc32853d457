// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/conformance/scenarios_util.h"

#include <vector>

namespace creel::test {

std::span<const Scenario> scenarios() {
  static const std::vector<Scenario> kAll = [] {
    std::vector<Scenario> all;
    for (const auto part :
         {channel_scenarios(), sync_scenarios(), context_scenarios(), sched_scenarios(), net_scenarios(),
          os_scenarios()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return kAll;
}

}  // namespace creel::test
