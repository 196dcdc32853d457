// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/runtime/environment.h"

#include <sched.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>
#include <thread>
#include <utility>

#include "creel/sched/base/log.h"
#include "creel/sched/stack_pool.h"

namespace creel::runtime {
namespace {

// CPUs this process may run on.
std::uint32_t available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    const int count = CPU_COUNT(&set);
    if (count > 0) return static_cast<std::uint32_t>(count);
  }
  const unsigned count = std::thread::hardware_concurrency();
  return count == 0 ? 1 : count;
}

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

std::string rejected(const std::string& what, std::string_view value, std::string_view accepted) {
  return what + "=" + std::string(value) + " is not accepted: it must be " + std::string(accepted);
}

// A number in [low, high], with an optional suffix K or M (1024, 1024^2) where `suffixes` says so.
bool parse(std::string_view text, std::uint64_t low, std::uint64_t high, bool suffixes, std::uint64_t& value) {
  std::uint64_t factor = 1;
  if (suffixes && !text.empty()) {
    const char last = text.back();
    if (last == 'K' || last == 'k') factor = 1024;
    if (last == 'M' || last == 'm') factor = 1024 * 1024;
    if (factor != 1) text.remove_suffix(1);
  }
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || value > high / factor) return false;
  value *= factor;
  return value >= low;
}

bool parse_fuzz(std::string_view text, sched::FuzzConfig& fuzz) {
  fuzz = {};
  if (text == "off") return true;
  fuzz.mode = sched::FuzzMode::kThreads;
  for (const auto& [prefix, mode] : {std::pair<std::string_view, sched::FuzzMode>{"deterministic:", sched::FuzzMode::kDeterministic},
                                     {"pct:", sched::FuzzMode::kPct}}) {
    if (!text.starts_with(prefix)) continue;
    fuzz.mode = mode;
    text.remove_prefix(prefix.size());
    break;
  }
  return parse(text, 0, std::numeric_limits<std::uint64_t>::max(), false, fuzz.seed);
}

// Milliseconds between the lines of CREEL_SCHEDTRACE.
bool resolve_sched_trace(const Options& options, Settings& settings, std::string& error) {
  constexpr std::uint64_t kMost = 3'600'000;
  const std::string range = "a whole number of milliseconds from 1 to " + std::to_string(kMost);
  std::uint64_t value = options.sched_trace_ms;
  if (value > kMost) {
    error = rejected("Options::sched_trace_ms", std::to_string(value), range);
    return false;
  }
  const char* text = variable("CREEL_SCHEDTRACE");
  if (value == 0 && text != nullptr && !parse(text, 1, kMost, false, value)) {
    error = rejected("CREEL_SCHEDTRACE", text, range);
    return false;
  }
  settings.config.sched_trace_ms = static_cast<std::uint32_t>(value);
  return true;
}

}  // namespace

bool resolve(const Options& options, Settings& settings, std::string& error) {
  const std::string procs_range = "a whole number from 1 to " + std::to_string(sched::kMaxProcs);
  std::uint64_t value = 0;
  settings.config.procs = available_cpus();
  if (options.procs != 0) {
    if (options.procs > sched::kMaxProcs) {
      error = rejected("Options::procs", std::to_string(options.procs), procs_range);
      return false;
    }
    settings.config.procs = options.procs;
  } else if (const char* text = variable("CREEL_PROCS")) {
    if (!parse(text, 1, sched::kMaxProcs, false, value)) {
      error = rejected("CREEL_PROCS", text, procs_range);
      return false;
    }
    settings.config.procs = static_cast<std::uint32_t>(value);
  }
  if (settings.config.procs > sched::kMaxProcs) settings.config.procs = sched::kMaxProcs;

  const std::string stack_range = "a number of bytes from " + std::to_string(sched::StackPool::kMinSize) + " to " +
                                  std::to_string(sched::StackPool::kMaxSize);
  if (options.stack_size != 0) {
    if (options.stack_size < sched::StackPool::kMinSize || options.stack_size > sched::StackPool::kMaxSize) {
      error = rejected("Options::stack_size", std::to_string(options.stack_size), stack_range);
      return false;
    }
    settings.config.stack_size = options.stack_size;
  } else if (const char* text = variable("CREEL_STACK_SIZE")) {
    if (!parse(text, sched::StackPool::kMinSize, sched::StackPool::kMaxSize, true, value)) {
      error = rejected("CREEL_STACK_SIZE", text, stack_range + ", with K or M for 1024 or 1048576 of them");
      return false;
    }
    settings.config.stack_size = static_cast<std::size_t>(value);
  }

  if (variable("CREEL_DEBUG_HTTP") != nullptr) sched::log_warning("CREEL_DEBUG_HTTP is set, but has no effect yet");

  const char* level = variable("CREEL_LOG");
  settings.log_level = !options.log_level.empty() ? options.log_level : level != nullptr ? level : "";
  if (!settings.log_level.empty() && !sched::set_log_level(settings.log_level)) {
    error = rejected(options.log_level.empty() ? "CREEL_LOG" : "Options::log_level", settings.log_level,
                     "one of " + sched::log_level_names());
    return false;
  }

  if (!resolve_sched_trace(options, settings, error)) return false;

  const char* trace = variable("CREEL_TRACE");
  settings.trace = !options.trace.empty() ? options.trace : trace != nullptr ? trace : "";
  settings.config.force_migration = options.force_migration;

  const char* fuzz = variable("CREEL_FUZZ");
  const std::string fuzz_text = !options.fuzz.empty() ? options.fuzz : fuzz != nullptr ? fuzz : "off";
  if (!parse_fuzz(fuzz_text, settings.config.fuzz)) {
    error = rejected(options.fuzz.empty() ? "CREEL_FUZZ" : "Options::fuzz", fuzz_text,
                     "a seed, deterministic:SEED, pct:SEED or off, where SEED is a whole number from 0 to 18446744073709551615");
    return false;
  }
  if (settings.config.fuzz.deterministic()) {
    settings.config.procs = 1;
    settings.config.force_migration = false;
    if (settings.config.sched_trace_ms != 0) {
      sched::log_warning("CREEL_SCHEDTRACE writes no lines in a deterministic run, which has no monitor thread");
    }
  }
  return true;
}

}  // namespace creel::runtime
