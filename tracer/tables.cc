// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/tables.h"

#include <cstring>
#include <new>

namespace creel::tracer {
namespace {

// 64-bit multiply-and-fold over 8-byte words; entries are few and not hostile.
std::uint64_t hash_bytes(std::span<const std::byte> bytes) noexcept {
  __extension__ using Wide = unsigned __int128;
  std::uint64_t hash = 0x9e3779b97f4a7c15u ^ bytes.size();
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  while (left != 0) {
    std::uint64_t word = 0;
    const std::size_t count = left < 8 ? left : 8;
    std::memcpy(&word, at, count);
    const Wide product = static_cast<Wide>(hash ^ word) * 0xd6e8feb86659fd93u;
    hash = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    at += count;
    left -= count;
  }
  return hash;
}

}  // namespace

Arena::~Arena() {
  Chunk* chunk = current_.load(std::memory_order_relaxed);  // nobody else is left
  while (chunk != nullptr) {
    Chunk* next = chunk->next;
    delete chunk;
    chunk = next;
  }
}

void* Arena::allocate(std::size_t size) noexcept {
  size = (size + 7) & ~std::size_t{7};
  for (;;) {
    // Acquire pairs with the release store below: the chunk's fields are initialised.
    Chunk* chunk = current_.load(std::memory_order_acquire);
    if (chunk != nullptr) {
      const std::size_t at = chunk->used.fetch_add(size, std::memory_order_relaxed);
      if (at + size <= sizeof(chunk->data)) return chunk->data + at;
    }
    std::lock_guard lock(grow_mu_);
    if (current_.load(std::memory_order_relaxed) != chunk) continue;
    Chunk* fresh = new (std::nothrow) Chunk;
    if (fresh == nullptr) return nullptr;
    fresh->next = chunk;
    bytes_.fetch_add(sizeof(Chunk), std::memory_order_relaxed);
    current_.store(fresh, std::memory_order_release);
  }
}

InternTable::InternTable(std::uint64_t first_id, std::size_t buckets)
    : mask_(buckets - 1), buckets_(new std::atomic<Entry*>[buckets]()), next_id_(first_id) {}

InternTable::Entry* InternTable::make_entry(std::span<const std::byte> bytes, std::uint64_t hash) noexcept {
  void* memory = arena_.allocate(sizeof(Entry) + bytes.size());
  if (memory == nullptr) return nullptr;
  const std::uint64_t id = next_id_.fetch_add(1, std::memory_order_relaxed);
  auto* entry = new (memory) Entry{nullptr, hash, id, static_cast<std::uint32_t>(bytes.size())};
  std::memcpy(entry + 1, bytes.data(), bytes.size());
  return entry;
}

std::uint64_t InternTable::intern(std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return 0;
  const std::uint64_t hash = hash_bytes(bytes);
  std::atomic<Entry*>& bucket = buckets_[hash & mask_];
  Entry* entry = nullptr;
  Entry* checked = nullptr;  // this and all after it are known to differ
  // Acquire pairs with the release of the compare-exchange below: entries are complete.
  Entry* head = bucket.load(std::memory_order_acquire);
  for (;;) {
    for (Entry* e = head; e != checked; e = e->next) {
      if (e->hash == hash && e->size == bytes.size() && std::memcmp(e->data(), bytes.data(), bytes.size()) == 0) {
        return e->id;
      }
    }
    if (entry == nullptr && (entry = make_entry(bytes, hash)) == nullptr) return 0;
    checked = head;
    entry->next = head;
    if (bucket.compare_exchange_strong(head, entry, std::memory_order_acq_rel, std::memory_order_acquire)) {
      return entry->id;
    }
  }
}

std::uint64_t InternTable::add(std::string_view text) noexcept {
  if (text.empty()) return 0;
  Entry* entry = make_entry(std::as_bytes(std::span(text)), 0);
  if (entry == nullptr) return 0;
  // Spread by id, as the bytes are not hashed. Release pairs with for_each() and intern().
  std::atomic<Entry*>& bucket = buckets_[entry->id & mask_];
  entry->next = bucket.load(std::memory_order_relaxed);
  while (!bucket.compare_exchange_weak(entry->next, entry, std::memory_order_release, std::memory_order_relaxed)) {
  }
  return entry->id;
}

}  // namespace creel::tracer
