// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Event buffers: 64 KiB, each one batch of one M in one generation.
//
//   [batch header: EventBatch gen m time size(3 bytes, patched at the end)][events ...............]
//
// Ownership: a worker writes to its own buffer inside its Sections; a full or closed one goes to the generation's queue
// and from there to the writer, which recycles it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "creel/tracer/format/event.h"
#include "creel/tracer/format/varint.h"

namespace creel::tracer {

struct Generation;

inline constexpr std::size_t kBufferBytes = 64 * 1024;
// No event is longer: its type and at most six numbers.
inline constexpr std::size_t kEventRoom = 1 + 6 * format::kMaxVarint;

struct Buffer {
  Generation* generation = nullptr;
  Buffer* next = nullptr;  // free list
  std::uint32_t events = 0;         // once finished
  std::uint32_t payload = 0;        // offset of the first event in data
  std::uint32_t size = 0;           // bytes of data in use, once finished
  std::uint8_t data[kBufferBytes];  // left uninitialised

  // The last place where any event still fits.
  [[nodiscard]] std::uint8_t* end() noexcept { return data + sizeof(data) - kEventRoom; }
  // Writes the batch header and returns where events go.
  std::uint8_t* begin_batch(std::uint64_t generation_number, std::uint64_t m, std::uint64_t time) noexcept;
  // Patches the payload size; the `count` events end at `pos`.
  void finish_batch(const std::uint8_t* pos, std::uint32_t count) noexcept;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {data, size}; }
};

// A buffer from the pool or the system; null when memory is out. Thread safety: any thread.
[[nodiscard]] Buffer* allocate_buffer() noexcept;
// Back to the pool, which keeps a bounded number. Thread safety: any thread.
void recycle_buffer(Buffer* buffer) noexcept;

}  // namespace creel::tracer
