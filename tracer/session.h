// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// One recording: its sink, the generations on their way there, and the thread that writes them.
//
// Thread safety: all functions. Blocking: a short lock; workers never wait for the sink.
// A sink that hangs leaves the writer thread behind with its session, so a session is shared with that thread.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "creel/tracer/generation.h"
#include "creel/tracer/recorder.h"

namespace creel::tracer {

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `on_failure` runs once on the writer thread, when the sink failed or the buffers ran over, without locks held.
  Session(std::unique_ptr<Sink> sink, const RecorderOptions& options, void (*on_failure)(Session&));
  ~Session();

  // Starts the writer thread. Throws: std::system_error when there is none to be had.
  void start();

  // Appends a generation; its batches are written after all of those before it.
  void open_generation(std::shared_ptr<Generation> generation);
  // Hands over a finished batch and its ownership. Dropped when the session has failed or discards the generation.
  void push(Generation& generation, Buffer* buffer);
  // Declares the generation complete: the writer adds its tables.
  void seal(Generation& generation);
  // No more generations. The writer ends after the last sealed one.
  void finish();

  // Waits for the writer to end; after `timeout` leaves it behind and returns timed_out, else the first error.
  std::error_code wait(std::chrono::nanoseconds timeout);

  // Ends the session with `error`: what is not yet written is dropped. Later calls keep the first error.
  void fail(std::error_code error);
  [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::error_code error() {
    std::lock_guard lock(mu_);
    return error_;
  }
  // Whether another buffer would exceed max_buffered_bytes.
  [[nodiscard]] bool over_budget() const noexcept {
    return queued_bytes_.load(std::memory_order_relaxed) > options_.max_buffered_bytes;
  }
  [[nodiscard]] const RecorderOptions& options() const noexcept { return options_; }

  std::atomic<std::uint64_t> events{0};  // relaxed: statistics
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> generations{0};

 private:
  void write_loop();
  void write_all();
  [[nodiscard]] std::error_code write(std::span<const std::uint8_t> data);
  [[nodiscard]] std::error_code write_tables(Generation& generation);
  void drop_buffers();

  const std::unique_ptr<Sink> sink_;  // the writer's, once started
  const RecorderOptions options_;
  void (*const on_failure_)(Session&);

  std::mutex mu_;
  std::condition_variable work_;
  std::condition_variable done_changed_;
  std::deque<std::shared_ptr<Generation>> pending_;  // guarded by mu_
  bool finish_ = false;                              // guarded by mu_
  bool done_ = false;                                // guarded by mu_
  std::error_code error_;                            // guarded by mu_
  std::atomic<bool> failed_{false};                  // relaxed: error_ is read under mu_
  std::atomic<std::size_t> queued_bytes_{0};         // relaxed: a bound, not a protocol
  std::thread writer_;
};

}  // namespace creel::tracer
