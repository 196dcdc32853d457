// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Interning per generation: equal bytes get one id. Used for strings and for call stacks.
//
// Thread safety: intern() from any number of threads; for_each() meanwhile sees a subset. Blocking: never but for a new
// 64 KiB chunk of the arena (once in hundreds of new entries, none for known ones).
// Memory: all of it is freed with the table, at the end of its generation.
//
// Invariants:
//  1. An entry is immutable once it is reachable from a bucket; buckets only grow at their head.
//  2. Two threads never both publish the same bytes: the loser of the compare-exchange looks at what was put before it.
//     The id it had drawn stays unused (ids may have gaps).
// Source: traceMap of Go's runtime (runtime/tracemap.go), with chained buckets instead of a trie.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>

namespace creel::tracer {

// Bump allocator, freed as a whole. Thread safety: allocate() from any thread.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();
  // 8-byte aligned memory, or null when the system has none. Requires: size <= kMaxSize.
  [[nodiscard]] void* allocate(std::size_t size) noexcept;
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

  static constexpr std::size_t kMaxSize = 4096;

 private:
  struct Chunk {
    std::atomic<std::size_t> used{0};
    Chunk* next = nullptr;
    alignas(8) std::byte data[65536 - 64];
  };
  std::atomic<Chunk*> current_{nullptr};
  std::atomic<std::size_t> bytes_{0};  // relaxed: a statistic
  std::mutex grow_mu_;
};

class InternTable {
 public:
  struct Entry {
    Entry* next;  // immutable once published
    std::uint64_t hash;
    std::uint64_t id;
    std::uint32_t size;  // bytes after this struct
    bool seen = false;   // free for the one thread that reads the table
    [[nodiscard]] const std::byte* data() const noexcept { return reinterpret_cast<const std::byte*>(this + 1); }
    [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data()), size}; }
    // Requires: the table holds words.
    [[nodiscard]] std::span<const std::uint64_t> words() const noexcept {
      return {reinterpret_cast<const std::uint64_t*>(data()), size / sizeof(std::uint64_t)};
    }
  };

  // Ids start at `first_id`. `buckets` is a power of two.
  explicit InternTable(std::uint64_t first_id, std::size_t buckets = 4096);

  // The id of these bytes; 0 (always "empty" in a trace) for none or when memory is out.
  [[nodiscard]] std::uint64_t intern(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] std::uint64_t intern(std::string_view text) noexcept { return intern(std::as_bytes(std::span(text))); }
  [[nodiscard]] std::uint64_t intern(std::span<const std::uint64_t> words) noexcept {
    return intern(std::as_bytes(words));
  }
  // Adds the bytes under an id of their own, not looking for equal ones.
  [[nodiscard]] std::uint64_t add(std::string_view text) noexcept;

  template <typename F>
  void for_each(F&& visit) {
    for (std::size_t i = 0; i <= mask_; ++i) {
      // Acquire pairs with the release in publish(): the entry is complete.
      for (Entry* e = buckets_[i].load(std::memory_order_acquire); e != nullptr; e = e->next) visit(*e);
    }
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return arena_.bytes(); }

 private:
  [[nodiscard]] Entry* make_entry(std::span<const std::byte> bytes, std::uint64_t hash) noexcept;

  Arena arena_;
  std::size_t mask_;
  std::unique_ptr<std::atomic<Entry*>[]> buckets_;
  std::atomic<std::uint64_t> next_id_;  // relaxed: only uniqueness counts
};

}  // namespace creel::tracer
