// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Where a trace goes. One writer thread calls write(); a sink need not be thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace creel::tracer {

class Sink {
 public:
  virtual ~Sink() = default;
  // Opens the sink. Called once, by start_recording(), on the caller's thread.
  [[nodiscard]] virtual std::error_code open() { return {}; }
  // Takes all of `bytes` or returns the error; after an error no further call but close() is made.
  [[nodiscard]] virtual std::error_code write(std::span<const std::uint8_t> bytes) = 0;
  // All data is written. Errors: as close(2), or what buffering hid.
  [[nodiscard]] virtual std::error_code close() { return {}; }
};

// Creates or truncates `path` (O_CLOEXEC, mode 0644).
[[nodiscard]] std::unique_ptr<Sink> file_sink(std::string path);
// Writes to `fd`, which stays the caller's: it is neither closed nor made non-blocking. Handles EINTR, short writes and
// EAGAIN (waits by poll). SIGPIPE is not raised for sockets; a closed pipe gives EPIPE.
[[nodiscard]] std::unique_ptr<Sink> fd_sink(int fd);
// Appends to `out`, which must outlive the session.
[[nodiscard]] std::unique_ptr<Sink> memory_sink(std::vector<std::uint8_t>& out);
// Calls `write` with each chunk; an error it returns ends the trace.
[[nodiscard]] std::unique_ptr<Sink> callback_sink(std::function<std::error_code(std::span<const std::uint8_t>)> write);

}  // namespace creel::tracer
