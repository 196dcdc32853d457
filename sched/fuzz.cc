// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What all ways of fuzzing share, and kThreads. The deterministic ones: deterministic.cc.

#include "creel/sched/fuzz.h"

#include <sched.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

#include "creel/sched/base/log.h"
#include "creel/sched/base/pause.h"
#include "creel/sched/park.h"
#include "creel/sched/preempt.h"
#include "creel/sched/scheduler.h"

namespace creel::sched {

std::atomic<std::int64_t> g_virtual_now{0};

namespace {

// Written before the runtime's threads start and after they ended. Never freed, as fatal errors read it.
char note[128] = "";

// SplitMix64's step: from any number, seeds that lie side by side included, to one that looks random. Steele et al. 2014.
std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

std::string to_string(const FuzzConfig& config) {
  const std::string seed = std::to_string(config.seed);
  switch (config.mode) {
    case FuzzMode::kOff: return "off";
    case FuzzMode::kThreads: return seed;
    case FuzzMode::kDeterministic: return "deterministic:" + seed;
    case FuzzMode::kPct: return "pct:" + seed;
  }
  return "off";
}

const char* fuzz_note() noexcept { return note; }

// Seeds differ in how often they stop a fiber, too: some faults want many stops, some few. At 1 of 2 to 1 of 16 safe points.
Fuzz::Fuzz(const FuzzConfig& config)
    : config_(config), stop_mask_((2u << (mix(config.seed) % 4)) - 1), state_(mix(config.seed + 1)) {
  std::snprintf(note, sizeof note, "creel: %s by CREEL_FUZZ=%s\n", deterministic() ? "replayed" : "fuzzed",
                to_string(config).c_str());
  g_attention.fetch_add(1, std::memory_order_relaxed);
  if (!deterministic()) return;
  // Real, so that a deadline made from the steady clock lies near. Differences of times are replayed, not the times.
  g_virtual_now.store(std::chrono::steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  if (config.mode == FuzzMode::kPct) {
    const std::uint64_t length = 16ULL << (random() % 8);  // decisions, as if the program took so many
    for (std::uint64_t& at : change_at_) at = 1 + random() % length;
  }
}

Fuzz::~Fuzz() { end(); }

void Fuzz::end() noexcept {
  if (std::exchange(ended_, true)) return;
  note[0] = '\0';
  g_attention.fetch_sub(1, std::memory_order_relaxed);
  g_virtual_now.store(0, std::memory_order_relaxed);
}

std::uint64_t Fuzz::random() noexcept { return mix(state_++); }

std::uint64_t Fuzz::worker_seed() noexcept {
  // Relaxed: only the number counts. Which worker gets which varies with several.
  return mix(mix(config_.seed) + workers_.fetch_add(1, std::memory_order_relaxed)) | 1;
}

void Fuzz::tell_of(Outside what) {
  if (!deterministic()) return;
  const std::uint32_t bit = 1u << static_cast<unsigned>(what);
  if ((told_.load(std::memory_order_relaxed) & bit) != 0 || (told_.fetch_or(bit, std::memory_order_relaxed) & bit) != 0) return;
  const char* text = "";
  switch (what) {
    case Outside::kBlocking:
      text = "creel::blocking() runs inline: no other fiber runs meanwhile, and what it brings is not replayed";
      break;
    case Outside::kNetwork:
      text = "fibers wait for descriptors: what arrives, and when, is not replayed";
      break;
    case Outside::kPin:
      text = "PinScope does not keep other fibers off the thread: there is only one";
      break;
    case Outside::kProcs:
      text = "set_procs() has no effect: there is one processor";
      break;
    case Outside::kThread:
      text = "a thread that creel did not start takes part: what it does, and when, is not replayed, and virtual time does not "
             "wait for it";
      break;
  }
  log_warning("CREEL_FUZZ=" + to_string(config_) + ": " + text);
}

void Fuzz::on_yield(const Fiber& fiber) {
  if (config_.mode == FuzzMode::kPct) lower(fiber);
}

bool Fuzz::stop_here(Worker& worker, bool edge) {
  if (deterministic()) return stop_deterministic(worker, edge);
  const std::uint32_t dice = fast_random();
  if (edge && dice % 64 != 0) return false;
  switch (dice >> 20 & 63) {  // a delay now and then, so that others meet this fiber elsewhere
    case 0:
      pause_for(30 * static_cast<int>(dice >> 26));
      break;
    case 1:
      sched_yield();
      break;
    default:
      break;
  }
  return (dice >> 8 & stop_mask_) == 0;
}

void shuffle_queue(Worker& worker) {
  Processor* proc = worker.processor();
  if (proc == nullptr) return;
  std::array<Fiber*, 16> batch;
  std::uint32_t count = 0;
  if (fast_random() % 2 == 0) {
    // Acq_rel pairs with a stealer's compare-exchange.
    if (Fiber* next = proc->runnext.exchange(nullptr, std::memory_order_acq_rel)) batch[count++] = next;
  }
  while (count < batch.size()) {
    Fiber* fiber = proc->queue.pop();
    if (fiber == nullptr) break;
    batch[count++] = fiber;
  }
  for (std::uint32_t i = count; i > 1; --i) std::swap(batch[i - 1], batch[fast_random() % i]);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (fast_random() % 16 == 0) {
      worker.scheduler.global_queue.push(batch[i]);
    } else {
      enqueue(worker, batch[i], false);
    }
  }
}

void disturb_workers(Scheduler& s) {
  const std::uint32_t dice = fast_random();
  if (dice % 4 == 0 && s.idle_proc_count.load(std::memory_order_seq_cst) != 0) wake_one(s);
  if ((dice >> 8) % 8 == 0) s.poller->interrupt();
}

bool shall_migrate(Scheduler& s, const Worker& worker, const Fiber& fiber) {
  if (fiber.last_worker != static_cast<std::uint32_t>(worker.id)) return false;
  if (s.config.force_migration) return true;
  return s.fuzz != nullptr && !s.fuzz->deterministic() && fast_random() % 8 == 0;
}

}  // namespace creel::sched
