// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/os/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <span>

#include "creel/os/file.h"
#include "creel/os/on_fiber.h"
#include "creel/os/sys.h"
#include "creel/sched/blocking.h"

namespace creel {

using net::detail::OwnedFile;
using net::detail::to_error_code;

namespace sys = os::sys;

namespace {

constexpr std::size_t kLeastRoom = 512;
constexpr mode_t kDefaultMode = 0666;

bool is_name(const std::filesystem::path& path) noexcept { return path.native().find('\0') == std::string::npos; }

// Reads to the end by `read(iovec&)`, a number or -errno; makes room ahead for `expected` bytes. 0 or an errno value.
template <typename F>
int read_to_end(std::string& content, std::size_t expected, F read) {
  // A byte more than expected: so the read that finds the end needs no room of its own.
  content.resize(std::max(expected + 1, kLeastRoom));
  std::size_t length = 0;
  for (;;) {
    if (length == content.size()) content.resize(2 * length);
    iovec room{content.data() + length, content.size() - length};
    const ssize_t got = read(room);
    if (got < 0) {
      content.resize(length);
      return static_cast<int>(-got);
    }
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  content.resize(length);
  return 0;
}

// 0 or an errno value.
int write_to_end(int fd, std::string_view content) {
  while (!content.empty()) {
    const iovec rest{const_cast<char*>(content.data()), content.size()};
    const ssize_t put = sys::write_quietly(fd, &rest, 1);
    if (put < 0) return static_cast<int>(-put);
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return 0;
}

// A name beside `path` that nobody else uses at this time.
std::string beside(const std::filesystem::path& path, unsigned attempt) {
  static std::atomic<unsigned> count{0};  // relaxed: only distinctness is wanted
  const std::filesystem::path directory = path.parent_path();
  const std::string name = "." + path.filename().string() + "." + std::to_string(::getpid()) + "." +
                           std::to_string(count.fetch_add(1, std::memory_order_relaxed) + attempt) + ".tmp";
  return directory.empty() ? name : (directory / name).string();
}

int write_beside_and_rename(const std::filesystem::path& path, std::string_view content, mode_t mode) {
  constexpr unsigned kAttempts = 100;  // names left behind by crashes
  for (unsigned attempt = 0;; ++attempt) {
    const std::string temporary = beside(path, attempt);
    OwnedFile file(sys::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, mode));
    if (file.get() == -EEXIST && attempt < kAttempts) continue;
    if (file.get() < 0) return -file.get();
    int error = write_to_end(file.get(), content);
    if (error == 0) error = -sys::sync(file.get());
    const int closed = file.close();
    if (error == 0) error = closed;
    if (error == 0) error = -sys::rename(temporary.c_str(), path.c_str());
    if (error != 0) sys::unlink(temporary.c_str());
    return error;
  }
}

[[noreturn]] void fail(const std::error_code& error, const char* what, const std::filesystem::path& path) {
  throw std::system_error(error, std::string(what) + "(\"" + path.string() + "\")");
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::error_code& error) {
  std::string content;
  if (!is_name(path)) {
    error = std::make_error_code(std::errc::invalid_argument);
    return content;
  }
  const bool may_park = os::on_fiber();
  std::optional<OwnedFile> file;
  int failed = 0;
  bool special = false;  // a pipe, a device: for the poller
  {
    sched::BlockingSection section;
    file.emplace(sys::open(path.c_str(), O_RDONLY, 0));
    struct ::stat status {};
    failed = file->get() < 0 ? -file->get() : -sys::status(file->get(), status);
    special = failed == 0 && may_park && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
    if (failed == 0 && !special) {
      failed = read_to_end(content, static_cast<std::size_t>(status.st_size),
                           [&](const iovec& room) { return sys::read(file->get(), &room, 1); });
    }
    if (!special) file->close();
  }
  if (special) failed = -sys::set_non_blocking(file->get(), true);
  error = to_error_code(failed);
  if (error || !special) return content;
  File polled = File::adopt(file->get(), error);
  if (error) return content;
  file->release();
  failed = read_to_end(content, 0, [&](const iovec& room) -> ssize_t {
    const std::size_t got = polled.read_some(std::span(static_cast<char*>(room.iov_base), room.iov_len), error);
    return error ? -EIO : static_cast<ssize_t>(got);  // which one, `error` says
  });
  return content;
}

std::string read_file(const std::filesystem::path& path) {
  std::error_code error;
  std::string content = read_file(path, error);
  if (error) fail(error, "creel::read_file", path);
  return content;
}

void write_file(const std::filesystem::path& path, std::string_view content, mode_t mode, std::error_code& error) {
  int failed = EINVAL;
  if (is_name(path)) {
    sched::BlockingSection section;
    OwnedFile file(sys::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, mode));
    failed = file.get() < 0 ? -file.get() : write_to_end(file.get(), content);
    const int closed = file.close();
    if (failed == 0) failed = closed;
  }
  error = to_error_code(failed);
}

void write_file(const std::filesystem::path& path, std::string_view content, std::error_code& error) {
  write_file(path, content, kDefaultMode, error);
}

void write_file(const std::filesystem::path& path, std::string_view content, mode_t mode) {
  std::error_code error;
  write_file(path, content, mode, error);
  if (error) fail(error, "creel::write_file", path);
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content, mode_t mode,
                       std::error_code& error) {
  int failed = EINVAL;
  if (is_name(path)) {
    sched::BlockingSection section;
    failed = write_beside_and_rename(path, content, mode);
  }
  error = to_error_code(failed);
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content, std::error_code& error) {
  write_file_atomic(path, content, kDefaultMode, error);
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content, mode_t mode) {
  std::error_code error;
  write_file_atomic(path, content, mode, error);
  if (error) fail(error, "creel::write_file_atomic", path);
}

}  // namespace creel
