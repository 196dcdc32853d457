// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/os/file.h"

#include <fcntl.h>

#include <cerrno>
#include <string>

#include "creel/net/epoll_poller.h"
#include "creel/os/sys.h"
#include "creel/sched/park.h"

namespace creel {

using net::detail::Descriptor;
using net::detail::outcome;
using net::detail::OwnedFile;
using net::detail::Polling;
using net::detail::retry_ready;
using net::detail::Side;
using net::detail::throw_if;
using net::detail::to_error_code;

namespace sys = os::sys;

namespace {

// Flags of open(2), or -1.
int flags_of(const OpenOptions& options) noexcept {
  const bool write = options.write || options.append;
  if (!options.read && !write) return -1;
  if (options.truncate && !options.write) return -1;
  if (options.exclusive && !options.create) return -1;
  int flags = options.flags | (!write ? O_RDONLY : options.read ? O_RDWR : O_WRONLY);
  if (options.append) flags |= O_APPEND;
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  if (options.truncate) flags |= O_TRUNC;
  return flags;
}

ssize_t read_now(Descriptor& d, const iovec* vectors, std::size_t count, const Context* context) {
  return retry_ready(d, Side::kRead, context, [&] { return sys::read(d.fd(), vectors, count); });
}

ssize_t write_now(Descriptor& d, const iovec* vectors, std::size_t count, const Context* context) {
  return retry_ready(d, Side::kWrite, context, [&] {
    return d.polled() ? sys::write_quietly(d.fd(), vectors, count) : sys::write(d.fd(), vectors, count);
  });
}

}  // namespace

File File::open(const std::filesystem::path& path, const OpenOptions& options, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::File::open()"));
  const int flags = flags_of(options);
  if (flags < 0 || path.native().find('\0') != std::string::npos) {
    error = std::make_error_code(std::errc::invalid_argument);
    return {};
  }
  OwnedFile file(sys::open(path.c_str(), flags, options.mode));
  error = to_error_code(file.get() < 0 ? -file.get() : 0);
  if (error) return {};
  return take(file, "creel::File::open()", error);
}

// A file in blocking mode that the poller may serve: only it can tell.
File File::take(OwnedFile& file, const char* what, std::error_code& error) {
  Descriptor* const descriptor = file.open(what, error, Polling::kIfPossible);
  File result(descriptor);
  if (descriptor != nullptr && descriptor->polled()) {
    error = to_error_code(-sys::set_non_blocking(descriptor->fd(), true));
    if (error) return {};
  }
  return result;
}

File File::open(const std::filesystem::path& path, std::error_code& error) { return open(path, {.read = true}, error); }

File File::open(const std::filesystem::path& path, const OpenOptions& options) {
  std::error_code error;
  File file = open(path, options, error);
  if (error) throw std::system_error(error, "creel::File::open(\"" + path.string() + "\")");
  return file;
}

File File::create(const std::filesystem::path& path, std::error_code& error) {
  return open(path, {.read = true, .write = true, .create = true, .truncate = true}, error);
}

File File::create(const std::filesystem::path& path) {
  std::error_code error;
  File file = create(path, error);
  if (error) throw std::system_error(error, "creel::File::create(\"" + path.string() + "\")");
  return file;
}

File File::adopt(int fd, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::File::adopt()"));
  const int mode = sys::is_non_blocking(fd);
  error = to_error_code(mode < 0 ? -mode : 0);
  if (error) return {};
  Descriptor* const descriptor = net::EpollPoller::current("creel::File::adopt()")
                                     .open(fd, error, mode == 1 ? Polling::kIfPossible : Polling::kNone);
  if (descriptor != nullptr) descriptor->set_shared();  // nobody knows
  return File(descriptor);
}

File File::adopt(int fd) {
  std::error_code error;
  File file = adopt(fd, error);
  if (error) throw std::system_error(error, "creel::File::adopt(" + std::to_string(fd) + ")");
  return file;
}

std::size_t File::read(iovec* vectors, std::size_t count, const Context* context, std::error_code& error) {
  return net::detail::with_side(descriptor(), Side::kRead, error, [&](Descriptor& d) -> ssize_t {
    return count == 0 ? 0 : read_now(d, vectors, count, context);
  });
}

std::size_t File::write(iovec* vectors, std::size_t count, const Context* context, std::error_code& error) {
  return net::detail::with_side(descriptor(), Side::kWrite, error, [&](Descriptor& d) -> ssize_t {
    return count == 0 ? 0 : write_now(d, vectors, count, context);
  });
}

std::size_t File::read_entered(iovec* vectors, std::size_t count, const Context* context, std::error_code& error) {
  return outcome(read_now(*descriptor(), vectors, count, context), error);
}

std::size_t File::write_entered(iovec* vectors, std::size_t count, const Context* context, std::error_code& error) {
  return outcome(write_now(*descriptor(), vectors, count, context), error);
}

std::size_t File::read_from(iovec buffer, std::int64_t offset, std::error_code& error) {
  std::size_t total = 0;
  with_file(
      [&](int fd) -> int {
        while (total < buffer.iov_len) {
          const ssize_t got = sys::read_at(fd, static_cast<char*>(buffer.iov_base) + total, buffer.iov_len - total,
                                           offset + static_cast<std::int64_t>(total));
          if (got < 0) return static_cast<int>(got);
          if (got == 0) break;
          total += static_cast<std::size_t>(got);
        }
        return 0;
      },
      error);
  return total;
}

std::size_t File::write_to(iovec buffer, std::int64_t offset, std::error_code& error) {
  std::size_t total = 0;
  with_file(
      [&](int fd) -> int {
        while (total < buffer.iov_len) {
          const ssize_t put = sys::write_at(fd, static_cast<const char*>(buffer.iov_base) + total,
                                            buffer.iov_len - total, offset + static_cast<std::int64_t>(total));
          if (put < 0) return static_cast<int>(put);
          total += static_cast<std::size_t>(put);
        }
        return 0;
      },
      error);
  return total;
}

std::int64_t File::seek(std::int64_t offset, Whence whence, std::error_code& error) {
  std::int64_t position = 0;
  with_file(
      [&](int fd) {
        position = sys::seek(fd, offset, static_cast<int>(whence));
        return position < 0 ? static_cast<int>(position) : 0;
      },
      error);
  return error ? 0 : position;
}

std::int64_t File::seek(std::int64_t offset, Whence whence) {
  std::error_code error;
  const std::int64_t position = seek(offset, whence, error);
  throw_if(error, "creel::File::seek()");
  return position;
}

void File::truncate(std::int64_t size, std::error_code& error) {
  with_file([&](int fd) { return sys::truncate(fd, size); }, error);
}

void File::truncate(std::int64_t size) {
  std::error_code error;
  truncate(size, error);
  throw_if(error, "creel::File::truncate()");
}

struct ::stat File::status(std::error_code& error) const {
  struct ::stat status {};
  with_file([&](int fd) { return sys::status(fd, status); }, error);
  return status;
}

struct ::stat File::status() const {
  std::error_code error;
  const struct ::stat result = status(error);
  throw_if(error, "creel::File::status()");
  return result;
}

void File::sync(std::error_code& error) {
  with_file([](int fd) { return sys::sync(fd); }, error);
}

void File::sync() {
  std::error_code error;
  sync(error);
  throw_if(error, "creel::File::sync()");
}

void File::sync_data(std::error_code& error) {
  with_file([](int fd) { return sys::sync_data(fd); }, error);
}

void File::sync_data() {
  std::error_code error;
  sync_data(error);
  throw_if(error, "creel::File::sync_data()");
}

namespace {

File standard(int fd, const char* what) {
  static_cast<void>(sched::current_fiber(what));
  OwnedFile copy(sys::duplicate(fd));
  std::error_code error = to_error_code(copy.get() < 0 ? -copy.get() : 0);
  throw_if(error, what);
  File file = File::adopt(copy.get(), error);
  throw_if(error, what);
  copy.release();
  return file;
}

}  // namespace

File standard_input() { return standard(STDIN_FILENO, "creel::standard_input()"); }
File standard_output() { return standard(STDOUT_FILENO, "creel::standard_output()"); }
File standard_error() { return standard(STDERR_FILENO, "creel::standard_error()"); }

Pipe Pipe::open(std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::Pipe::open()"));
  int fds[2] = {-1, -1};
  error = to_error_code(-sys::pipe(fds));
  if (error) return {};
  OwnedFile reader(fds[0]);
  OwnedFile writer(fds[1]);
  Pipe pipe;
  pipe.reader = File::take(reader, "creel::Pipe::open()", error);
  if (!error) pipe.writer = File::take(writer, "creel::Pipe::open()", error);
  if (error) return {};
  return pipe;
}

Pipe Pipe::open() {
  std::error_code error;
  Pipe pipe = open(error);
  throw_if(error, "creel::Pipe::open()");
  return pipe;
}

}  // namespace creel
