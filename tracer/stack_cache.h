// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A worker's memory of the call stacks it has met in this generation: from the hash of a stack to its id, so that a known
// stack costs a walk and one probe, not a look-up in the shared table.
//
// The hash alone decides: 64 bits over the fiber's start and each return address (stack_hash.h). Each step
// of it is a bijection, so stacks that differ in one frame never meet; other pairs do with a chance of 2^-64, and then one
// event shows the other's stack.
// Thread safety: the owner's alone, inside a Section. Memory: 4 KiB in each worker.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace creel::tracer {

class StackCache {
 public:
  // The id put() last took for `hash`, 0 if it is not known (any more).
  [[nodiscard]] std::uint64_t find(std::uint64_t hash) const noexcept {
    const Entry* const pair = &entries_[index(hash)];
    if (pair[0].hash == hash) [[likely]]
      return pair[0].id;
    return pair[1].hash == hash ? pair[1].id : 0;
  }
  // The older of two stacks that share a place gives way.
  void put(std::uint64_t hash, std::uint64_t id) noexcept {
    Entry* const pair = &entries_[index(hash)];
    pair[1] = std::exchange(pair[0], {hash, id});
  }
  void clear() noexcept { std::memset(entries_, 0, sizeof(entries_)); }

 private:
  static constexpr std::size_t kEntries = 256;
  struct Entry {
    std::uint64_t hash;  // with id 0: unused
    std::uint64_t id;
  };
  static std::size_t index(std::uint64_t hash) noexcept { return hash % kEntries & ~std::size_t{1}; }

  Entry entries_[kEntries]{};
};

}  // namespace creel::tracer
