// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/slab.h"

#include <mutex>
#include <new>

namespace creel::sched {
namespace {

// All records ever made. Release on push pairs with the acquire in find_slab().
std::atomic<Slab*> all_slabs{nullptr};
std::mutex records_mu;         // taking and giving back records
Slab* free_records = nullptr;  // guarded by records_mu; linked by next

}  // namespace

Stack* Slab::descriptor(std::uint32_t index) const noexcept {
  const std::uintptr_t end = start(index) + stride.load(std::memory_order_relaxed);
  const std::uintptr_t colour = (index & 7) * 128;
  return reinterpret_cast<Stack*>(end - colour - sizeof(Stack));
}

Slab* new_slab_record() noexcept {
  const std::lock_guard lock(records_mu);
  if (Slab* const reused = free_records; reused != nullptr) {
    free_records = reused->next;
    reused->next = nullptr;
    return reused;
  }
  Slab* const slab = new (std::nothrow) Slab;
  if (slab == nullptr) return nullptr;
  slab->next_all = all_slabs.load(std::memory_order_relaxed);
  all_slabs.store(slab, std::memory_order_release);
  return slab;
}

void publish_slab(Slab& slab, std::uintptr_t base) noexcept { slab.base.store(base, std::memory_order_release); }

void retire_slab(Slab& slab) noexcept {
  const std::lock_guard lock(records_mu);
  slab.capacity = 0;
  slab.cold = 0;
  slab.cold_bits.fill(0);
  slab.next_cold = nullptr;
  slab.next_open = nullptr;
  slab.in_cold_list = false;
  slab.in_open_list = false;
  slab.bytes.store(0, std::memory_order_relaxed);
  slab.carved.store(0, std::memory_order_relaxed);
  slab.base.store(0, std::memory_order_release);  // pairs with the acquire in find_slab()
  slab.next = free_records;
  free_records = &slab;
}

const Slab* find_slab(std::uintptr_t address) noexcept {
  for (const Slab* slab = all_slabs.load(std::memory_order_acquire); slab != nullptr; slab = slab->next_all) {
    const std::uintptr_t base = slab->base.load(std::memory_order_acquire);
    if (base != 0 && address >= base && address - base < slab->bytes.load(std::memory_order_relaxed)) return slab;
  }
  return nullptr;
}

}  // namespace creel::sched
