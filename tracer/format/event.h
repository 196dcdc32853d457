// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Event numbers of Go's execution trace v2, arguments in brackets. Append only. See FORMAT.md.
//
// Every timed event starts with dt, the time since the previous event of its batch; it is left out below.
// Source: internal/trace/tracev2/events.go of Go 1.27.

#pragma once

#include <cstdint>

namespace creel::tracer::format {

enum class Event : std::uint8_t {
  kEventBatch = 1,            // [gen, m, time, size]
  kStacks = 2,                // first byte of a stack table batch
  kStack = 3,                 // [id, count, {pc, function string, file string, line}*]
  kStrings = 4,               // first byte of a string table batch
  kString = 5,                // [id, length, bytes]
  kFrequency = 8,             // [units per second]
  kProcsChange = 9,           // [count, stack]
  kProcStart = 10,            // [p, p seq]
  kProcStop = 11,             // []
  kProcSteal = 12,            // [p, p seq, m]
  kProcStatus = 13,           // [p, status]
  kGoCreate = 14,             // [new g, start stack, stack]
  kGoCreateSyscall = 15,      // [new g]
  kGoStart = 16,              // [g, g seq]
  kGoDestroy = 17,            // []
  kGoDestroySyscall = 18,     // []
  kGoStop = 19,               // [reason, stack]
  kGoBlock = 20,              // [reason, stack]
  kGoUnblock = 21,            // [g, g seq, stack]
  kGoSyscallBegin = 22,       // [p seq, stack]
  kGoSyscallEnd = 23,         // []
  kGoSyscallEndBlocked = 24,  // []
  kGoStatus = 25,             // [g, m, status]
  kGoLabel = 39,              // [label]
  kUserTaskBegin = 40,        // [task, parent, type, stack]
  kUserTaskEnd = 41,          // [task, stack]
  kUserRegionBegin = 42,      // [task, type, stack]
  kUserRegionEnd = 43,        // [task, type, stack]
  kUserLog = 44,              // [task, category, message, stack]
  kGoStatusStack = 48,        // [g, m, status, stack]                    level >= 23
  kSync = 50,                 // first byte of a sync batch               level >= 25
  kClockSnapshot = 51,        // [mono ns, wall s, wall ns]               level >= 25
  kEndOfGeneration = 52,      // a single byte outside any batch          level >= 26
};

// "None" for an M (batches that belong to no thread, status of a fiber on no thread).
inline constexpr std::uint64_t kNone = ~std::uint64_t{0};

inline constexpr std::uint64_t kUnitsPerSecond = 31'250'000;  // 32 ns: a one-byte delta reaches 4 us
inline constexpr std::uint64_t kNanosecondsPerUnit = 32;

inline constexpr int kMaxBatchPayload = 65536;
inline constexpr int kMaxString = 1024;  // bytes
inline constexpr int kMaxFrames = 128;   // per stack

}  // namespace creel::tracer::format
