// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/session.h"

#include <pthread.h>
#include <signal.h>

#include <array>
#include <cstring>
#include <exception>
#include <string_view>
#include <utility>

#include "creel/tracer/format/version.h"
#include "creel/tracer/frames.h"

namespace creel::tracer {
namespace {

using format::Event;
using format::kNone;

// How often the writer, when idle, resolves the new call stacks of the running generation ahead of its end.
constexpr std::chrono::milliseconds kWarmUpPeriod{20};

// Builds batches of one table; each full one goes to `write`.
class TableWriter {
 public:
  using Write = std::function<std::error_code(std::span<const std::uint8_t>)>;

  TableWriter(const Generation& generation, Event kind, Write write)
      : generation_(generation), kind_(kind), write_(std::move(write)) {}

  // Appends one entry, which must not be split. Requires: entry.size() far below kMaxBatchPayload.
  std::error_code add(std::span<const std::uint8_t> entry) {
    if (payload_.size() + entry.size() > format::kMaxBatchPayload) {
      if (std::error_code error = flush()) return error;
    }
    if (payload_.empty()) payload_.push_back(static_cast<std::uint8_t>(kind_));
    payload_.insert(payload_.end(), entry.begin(), entry.end());
    return {};
  }
  std::error_code flush() {
    if (payload_.empty()) return {};
    std::vector<std::uint8_t> batch;
    batch.reserve(payload_.size() + 64);
    std::uint8_t header[1 + 4 * format::kMaxVarint];
    std::uint8_t* pos = header;
    *pos++ = static_cast<std::uint8_t>(Event::kEventBatch);
    for (const std::uint64_t value : {generation_.number, kNone, generation_.start_units, payload_.size()}) {
      pos = format::put_varint(pos, value);
    }
    batch.insert(batch.end(), header, pos);
    batch.insert(batch.end(), payload_.begin(), payload_.end());
    payload_.clear();
    return write_(batch);
  }

 private:
  const Generation& generation_;
  const Event kind_;
  const Write write_;
  std::vector<std::uint8_t> payload_;
};

// One table entry under construction.
class Entry {
 public:
  explicit Entry(Event kind) { bytes_.push_back(static_cast<std::uint8_t>(kind)); }
  Entry& number(std::uint64_t value) {
    std::uint8_t buffer[format::kMaxVarint];
    bytes_.insert(bytes_.end(), buffer, format::put_varint(buffer, value));
    return *this;
  }
  Entry& text(std::string_view value) {
    number(value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

// The frequency and, from level 25 on, the clock snapshot.
Entry sync_entry(const Generation& generation) {
  Entry entry(Event::kFrequency);
  entry.number(format::kUnitsPerSecond);
  if (generation.level >= 25) {
    entry.number(static_cast<std::uint64_t>(Event::kClockSnapshot))
        .number(0)
        .number(generation.mono_ns)
        .number(generation.wall_ns / 1'000'000'000u)
        .number(generation.wall_ns % 1'000'000'000u);
  }
  return entry;
}

}  // namespace

Session::Session(std::unique_ptr<Sink> sink, const RecorderOptions& options, void (*on_failure)(Session&))
    : sink_(std::move(sink)), options_(options), on_failure_(on_failure) {}

Session::~Session() { drop_buffers(); }

void Session::start() {
  // All signals blocked: they belong to the program's threads, and a closed pipe shall be EPIPE, not SIGPIPE.
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  try {
    writer_ = std::thread([self = shared_from_this()] { self->write_loop(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

void Session::open_generation(std::shared_ptr<Generation> generation) {
  std::lock_guard lock(mu_);
  pending_.push_back(std::move(generation));
}

void Session::push(Generation& generation, Buffer* buffer) {
  if (generation.discard || failed()) {
    recycle_buffer(buffer);
    return;
  }
  queued_bytes_.fetch_add(kBufferBytes, std::memory_order_relaxed);
  std::lock_guard lock(mu_);
  buffer->next = nullptr;
  (generation.full_head != nullptr ? generation.full_tail->next : generation.full_head) = buffer;
  generation.full_tail = buffer;
  work_.notify_one();
}

void Session::seal(Generation& generation) {
  queued_bytes_.fetch_add(generation.stacks.bytes() + generation.strings.bytes(), std::memory_order_relaxed);
  std::lock_guard lock(mu_);
  generation.sealed = true;
  work_.notify_one();
}

void Session::finish() {
  std::lock_guard lock(mu_);
  finish_ = true;
  work_.notify_one();
}

void Session::fail(std::error_code error) {
  std::lock_guard lock(mu_);
  if (!error_) error_ = error;
  failed_.store(true, std::memory_order_relaxed);
  work_.notify_one();
}

std::error_code Session::wait(std::chrono::nanoseconds timeout) {
  std::unique_lock lock(mu_);
  if (!done_changed_.wait_for(lock, timeout, [&] { return done_; })) {
    if (!error_) error_ = std::make_error_code(std::errc::timed_out);
    failed_.store(true, std::memory_order_relaxed);
    writer_.detach();
    return error_;
  }
  lock.unlock();
  writer_.join();
  lock.lock();
  return error_;
}

std::error_code Session::write(std::span<const std::uint8_t> data) {
  if (std::error_code error = sink_->write(data)) return error;
  bytes.fetch_add(data.size(), std::memory_order_relaxed);
  return {};
}

std::error_code Session::write_tables(Generation& generation) {
  const auto out = [this](std::span<const std::uint8_t> batch) { return write(batch); };
  FrameTable& names = frame_table();

  TableWriter stacks(generation, Event::kStacks, out);
  std::error_code error;
  std::vector<const LogicalFrame*> frames;
  generation.stacks.for_each([&](InternTable::Entry& stack) {
    if (error) return;
    names.resolve(stack.words(), frames);
    Entry entry(Event::kStack);
    entry.number(stack.id).number(frames.size());
    for (const LogicalFrame* frame : frames) {
      entry.number(frame->pc)
          .number(generation.strings.intern(*frame->function))
          .number(generation.strings.intern(*frame->file))
          .number(frame->line);
    }
    error = stacks.add(entry.bytes());
  });
  if (error || (error = stacks.flush())) return error;

  TableWriter strings(generation, Event::kStrings, out);
  const auto add_string = [&](std::uint64_t id, std::string_view text) {
    if (!error) error = strings.add(Entry(Event::kString).number(id).text(text).bytes());
  };
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(BlockReason::kCount); ++i) {
    add_string(string_id(BlockReason{i}), to_string(BlockReason{i}));
  }
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(StopReason::kCount); ++i) {
    add_string(string_id(StopReason{i}), to_string(StopReason{i}));
  }
  generation.strings.for_each([&](InternTable::Entry& entry) { add_string(entry.id, entry.text()); });
  if (error || (error = strings.flush())) return error;

  if (generation.level >= 26) {
    const std::uint8_t end = static_cast<std::uint8_t>(Event::kEndOfGeneration);
    return write({&end, 1});
  }
  if (generation.level >= 25) return {};
  // The commit record of the generation: a trace cut before it opens up to the generation before.
  const Entry frequency = sync_entry(generation);
  TableWriter commit(generation, Event::kFrequency, out);
  if ((error = commit.add(frequency.bytes().subspan(1)))) return error;  // the kind byte is Frequency itself
  return commit.flush();
}

void Session::write_all() {
  frame_table().prepare();
  std::error_code error = write(format::file_header(options_.level));
  std::shared_ptr<Generation> generation;  // being written
  bool begun = false;
  while (!error) {
    bool sealed = false;
    bool warm_up = false;
    Buffer* buffers = nullptr;
    {
      std::unique_lock lock(mu_);
      const auto ready = [&] {
        return error_ || finish_ ||
               (!pending_.empty() && (pending_.front()->full_head != nullptr || pending_.front()->sealed));
      };
      warm_up = !work_.wait_for(lock, kWarmUpPeriod, ready);
      if (error_) return;
      if (pending_.empty() || (finish_ && !pending_.front()->sealed)) {
        if (finish_) return;
        continue;
      }
      generation = pending_.front();
      buffers = std::exchange(generation->full_head, nullptr);
      sealed = generation->sealed;
    }
    if (warm_up) {
      std::vector<const LogicalFrame*> frames;
      generation->stacks.for_each([&](InternTable::Entry& entry) {
        if (!std::exchange(entry.seen, true)) frame_table().resolve(entry.words(), frames);
      });
    }
    if (!begun && (sealed || buffers != nullptr)) {
      begun = true;
      if (generation->level >= 25) {
        TableWriter sync(*generation, Event::kSync, [this](auto batch) { return write(batch); });
        error = sync.add(sync_entry(*generation).bytes());
        if (!error) error = sync.flush();
      }
    }
    while (Buffer* buffer = buffers) {
      buffers = buffer->next;
      if (!error) error = write(buffer->bytes());
      if (!error) events.fetch_add(buffer->events, std::memory_order_relaxed);
      recycle_buffer(buffer);
      queued_bytes_.fetch_sub(kBufferBytes, std::memory_order_relaxed);
    }
    if (sealed && !error) {
      const std::size_t table_bytes = generation->stacks.bytes() + generation->strings.bytes();
      error = write_tables(*generation);
      if (!error) generations.fetch_add(1, std::memory_order_relaxed);
      std::lock_guard lock(mu_);
      queued_bytes_.fetch_sub(table_bytes, std::memory_order_relaxed);
      pending_.pop_front();
      begun = false;
    }
  }
  fail(error);
}

void Session::write_loop() {
  pthread_setname_np(pthread_self(), "creel-trace");
  try {
    write_all();
  } catch (const std::bad_alloc&) {
    fail(std::make_error_code(std::errc::not_enough_memory));
  } catch (const std::exception&) {  // thrown by a sink, which shall return its errors
    fail(std::make_error_code(std::errc::io_error));
  }
  if (failed()) on_failure_(*this);
  const std::error_code closed = sink_->close();
  drop_buffers();
  std::lock_guard lock(mu_);
  if (!error_) error_ = closed;
  done_ = true;
  done_changed_.notify_all();
}

void Session::drop_buffers() {
  std::lock_guard lock(mu_);
  for (const std::shared_ptr<Generation>& generation : pending_) {
    while (Buffer* buffer = generation->full_head) {
      generation->full_head = buffer->next;
      recycle_buffer(buffer);
    }
  }
}

}  // namespace creel::tracer
