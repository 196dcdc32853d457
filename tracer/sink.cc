// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/sink.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace creel::tracer {
namespace {

std::error_code last_error() { return {errno, std::generic_category()}; }

// The tracer's writer thread has all signals blocked, so a closed pipe or socket gives EPIPE.
std::error_code write_fully(int fd, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd ready{fd, POLLOUT, 0};
      if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return last_error();
    } else if (errno != EINTR) {
      return last_error();
    }
  }
  return {};
}

class FileSink final : public Sink {
 public:
  explicit FileSink(std::string path) : path_(std::move(path)) {}
  ~FileSink() override {
    if (fd_ >= 0) ::close(fd_);
  }
  std::error_code open() override {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd_ < 0 ? last_error() : std::error_code{};
  }
  std::error_code write(std::span<const std::uint8_t> bytes) override { return write_fully(fd_, bytes); }
  std::error_code close() override {
    const int fd = std::exchange(fd_, -1);
    return fd >= 0 && ::close(fd) != 0 && errno != EINTR ? last_error() : std::error_code{};
  }

 private:
  const std::string path_;
  int fd_ = -1;
};

class FdSink final : public Sink {
 public:
  explicit FdSink(int fd) : fd_(fd) {}
  std::error_code open() override { return ::fcntl(fd_, F_GETFD) < 0 ? last_error() : std::error_code{}; }
  std::error_code write(std::span<const std::uint8_t> bytes) override { return write_fully(fd_, bytes); }

 private:
  const int fd_;
};

class MemorySink final : public Sink {
 public:
  explicit MemorySink(std::vector<std::uint8_t>& out) : out_(out) {}
  std::error_code write(std::span<const std::uint8_t> bytes) override {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return {};
  }

 private:
  std::vector<std::uint8_t>& out_;
};

class CallbackSink final : public Sink {
 public:
  explicit CallbackSink(std::function<std::error_code(std::span<const std::uint8_t>)> write)
      : write_(std::move(write)) {}
  std::error_code write(std::span<const std::uint8_t> bytes) override { return write_(bytes); }

 private:
  const std::function<std::error_code(std::span<const std::uint8_t>)> write_;
};

}  // namespace

std::unique_ptr<Sink> file_sink(std::string path) { return std::make_unique<FileSink>(std::move(path)); }
std::unique_ptr<Sink> fd_sink(int fd) { return std::make_unique<FdSink>(fd); }
std::unique_ptr<Sink> memory_sink(std::vector<std::uint8_t>& out) { return std::make_unique<MemorySink>(out); }
std::unique_ptr<Sink> callback_sink(std::function<std::error_code(std::span<const std::uint8_t>)> write) {
  return std::make_unique<CallbackSink>(std::move(write));
}

}  // namespace creel::tracer
