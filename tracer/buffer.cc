// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/buffer.h"

#include <mutex>
#include <new>

namespace creel::tracer {
namespace {

constexpr std::size_t kSizeWidth = 3;  // 7 bits each: up to 2 MiB
constexpr std::size_t kMaxPooled = 64;

// Never destroyed: a writer thread left behind by a hanging sink may outlive main().
struct Pool {
  std::mutex mu;
  Buffer* free = nullptr;  // guarded by mu
  std::size_t count = 0;   // guarded by mu
};

Pool& pool() noexcept {
  static Pool* const instance = new Pool;
  return *instance;
}

}  // namespace

std::uint8_t* Buffer::begin_batch(std::uint64_t generation_number, std::uint64_t m, std::uint64_t time) noexcept {
  std::uint8_t* pos = data;
  *pos++ = static_cast<std::uint8_t>(format::Event::kEventBatch);
  pos = format::put_varint(pos, generation_number);
  pos = format::put_varint(pos, m);
  pos = format::put_varint(pos, time);
  pos += kSizeWidth;
  payload = static_cast<std::uint32_t>(pos - data);
  events = 0;
  size = 0;
  return pos;
}

void Buffer::finish_batch(const std::uint8_t* pos, std::uint32_t count) noexcept {
  events = count;
  size = static_cast<std::uint32_t>(pos - data);
  format::put_padded_varint(data + payload - kSizeWidth, size - payload, kSizeWidth);
}

Buffer* allocate_buffer() noexcept {
  {
    std::lock_guard lock(pool().mu);
    if (Buffer* buffer = pool().free) {
      pool().free = buffer->next;
      --pool().count;
      return buffer;
    }
  }
  return new (std::nothrow) Buffer;
}

void recycle_buffer(Buffer* buffer) noexcept {
  {
    std::lock_guard lock(pool().mu);
    if (pool().count < kMaxPooled) {
      buffer->next = pool().free;
      pool().free = buffer;
      ++pool().count;
      return;
    }
  }
  delete buffer;
}

}  // namespace creel::tracer
