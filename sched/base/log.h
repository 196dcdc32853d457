// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The runtime's log: cold paths only (start, stop, monitor), never under a SpinLock. Backed by spdlog's "creel" logger,
// on stderr, whose level CREEL_LOG sets. Thread safety: any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace creel::sched {

void log_debug(std::string_view message);
void log_warning(std::string_view message);
void log_error(std::string_view message);
// Whatever the level is: for what the user has asked for by name.
void log_always(std::string_view message);

// Sets the level by spdlog's name (trace, debug, info, warning, error, critical, off). False: no such level.
bool set_log_level(std::string_view name);
// The accepted names, for messages.
[[nodiscard]] std::string log_level_names();

// A fiber has run on P `proc` for `milliseconds` without reaching a safe point. `fiber`: it and its stack, as text.
void log_stuck(std::uint32_t proc, std::int64_t milliseconds, std::string_view fiber);

}  // namespace creel::sched
