// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Why a fiber stops running: the fixed reasons that appear in a trace.
//
// Each value is also a string id in every generation's string table (see recorder.cc), so a block or stop hook does no
// look-up. Every distinct text becomes a column of `go tool trace`'s goroutine page: the set is closed on purpose.
// Source: waitReason -> traceBlockReason of Go's runtime (runtime/traceruntime.go).

#pragma once

#include <cstdint>
#include <iterator>
#include <string_view>

namespace creel::tracer {

enum class BlockReason : std::uint8_t {
  kUnspecified = 0,
  kChanSend,
  kChanReceive,
  kSelect,
  kSync,     // Mutex, RWMutex, Semaphore, WaitGroup, Once, Barrier, JoinHandle
  kCond,
  kNetwork,
  kSleep,
  kForever,  // never woken again; never unblock a fiber that blocked with this reason
  kSystem,   // runtime-internal fibers
  kCount
};

enum class StopReason : std::uint8_t { kUnspecified = 0, kYield, kPreempted, kCount };

// The text a trace carries, exactly Go's.
constexpr std::string_view to_string(BlockReason reason) noexcept {
  constexpr std::string_view kText[] = {"unspecified", "chan send", "chan receive", "select", "sync",
                                        "sync.(*Cond).Wait", "network", "sleep", "forever", "system goroutine wait"};
  static_assert(std::size(kText) == static_cast<std::size_t>(BlockReason::kCount));
  return kText[static_cast<std::size_t>(reason)];
}

constexpr std::string_view to_string(StopReason reason) noexcept {
  constexpr std::string_view kText[] = {"unspecified", "runtime.Gosched", "preempted"};
  static_assert(std::size(kText) == static_cast<std::size_t>(StopReason::kCount));
  return kText[static_cast<std::size_t>(reason)];
}

}  // namespace creel::tracer
