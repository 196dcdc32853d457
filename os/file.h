// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// An open file: regular ones, pipes, terminals, devices, whatever has a number.
//
//   creel::File log = creel::File::open("app.log", {.append = true, .create = true});
//   log.write_all("started\n");
//
// What epoll takes (pipes, terminals, eventfds, devices that can be waited for) parks its fiber, and has deadlines and
// contexts, as sockets. The rest, regular files above all, is read and written in blocking sections: the thread waits,
// the fiber's processor goes on with others; a context or close() does not end such a call. Reading and writing:
// net/stream_calls.h; deadlines and close: net/handle.h. A write to a pipe nobody reads is std::errc::broken_pipe, with
// no SIGPIPE, but for files that adopt() took in blocking mode.
// Source: os.File of Go.

#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "creel/net/handle.h"
#include "creel/net/stream_calls.h"

namespace creel {

// How a file is opened. At least one of read, write and append must be on; truncate needs write.
struct OpenOptions {
  bool read = false;
  bool write = false;
  bool append = false;     // every write goes to the end of the file; implies write
  bool create = false;     // if there is no such file
  bool exclusive = false;  // with create: std::errc::file_exists if there is one
  bool truncate = false;
  mode_t mode = 0666;      // of a file that is created, before the umask
  int flags = 0;           // further O_* flags of open(2)
};

// From where seek() counts.
enum class Whence : int { kStart = SEEK_SET, kCurrent = SEEK_CUR, kEnd = SEEK_END };

class File : public net::Handle, public net::StreamCalls<File> {
 public:
  // Closed; to be assigned to.
  File() noexcept = default;

  // Opens `path`, for reading if nothing is said. Errors: std::errc::invalid_argument (options that contradict one
  // another, a NUL in the path), those of open(2). Caller: a fiber. Blocking: the thread (a FIFO's other end).
  [[nodiscard]] static File open(const std::filesystem::path& path, const OpenOptions& options, std::error_code& error);
  [[nodiscard]] static File open(const std::filesystem::path& path, std::error_code& error);
  [[nodiscard]] static File open(const std::filesystem::path& path, const OpenOptions& options = {.read = true});
  // A new or emptied file, for reading and writing.
  [[nodiscard]] static File create(const std::filesystem::path& path, std::error_code& error);
  [[nodiscard]] static File create(const std::filesystem::path& path);
  // Takes over an open descriptor. The poller serves it if it is in non-blocking mode; else calls block their thread
  // (its mode is left alone: other processes may share it). `fd` stays the caller's on an error.
  [[nodiscard]] static File adopt(int fd, std::error_code& error);
  [[nodiscard]] static File adopt(int fd);

  // At an offset; the file's position stays. read_at() fills the buffer, or less at the end of the file; write_at()
  // writes all. May run beside all other calls.
  template <net::MutableBuffers B>
    requires net::detail::OneBuffer<B>
  std::size_t read_at(B&& buffer, std::int64_t offset, std::error_code& error) {
    return read_from(net::detail::to_vector(buffer), offset, error);
  }
  template <net::MutableBuffers B>
    requires net::detail::OneBuffer<B>
  std::size_t read_at(B&& buffer, std::int64_t offset) {
    std::error_code error;
    const std::size_t got = read_at(buffer, offset, error);
    net::detail::throw_if(error, "creel::File::read_at()");
    return got;
  }
  template <net::ConstBuffers B>
    requires net::detail::OneBuffer<B>
  std::size_t write_at(B&& buffer, std::int64_t offset, std::error_code& error) {
    return write_to(net::detail::to_vector(buffer), offset, error);
  }
  template <net::ConstBuffers B>
    requires net::detail::OneBuffer<B>
  std::size_t write_at(B&& buffer, std::int64_t offset) {
    std::error_code error;
    const std::size_t put = write_at(buffer, offset, error);
    net::detail::throw_if(error, "creel::File::write_at()");
    return put;
  }

  // Moves the position; returns the new one, from the start. seek(0, Whence::kCurrent) tells it.
  std::int64_t seek(std::int64_t offset, Whence whence, std::error_code& error);
  std::int64_t seek(std::int64_t offset, Whence whence = Whence::kStart);
  // Cuts the file off, or fills it up with zeros.
  void truncate(std::int64_t size, std::error_code& error);
  void truncate(std::int64_t size);
  // What fstat(2) says.
  [[nodiscard]] struct ::stat status(std::error_code& error) const;
  [[nodiscard]] struct ::stat status() const;
  // Returns when what was written is on the disk / but for what is not needed to read it again.
  void sync(std::error_code& error);
  void sync();
  void sync_data(std::error_code& error);
  void sync_data();

  // Whether the poller serves the file: calls park, and it can have deadlines.
  [[nodiscard]] bool polled() const noexcept { return descriptor() != nullptr && descriptor()->polled(); }

 private:
  friend class net::StreamCalls<File>;
  friend struct Pipe;

  explicit File(net::detail::Descriptor* descriptor) noexcept : Handle(descriptor) {}
  [[nodiscard]] static File take(net::detail::OwnedFile& file, const char* what, std::error_code& error);

  std::size_t read(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
  std::size_t write(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
  std::size_t read_entered(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
  std::size_t write_entered(iovec* vectors, std::size_t count, const Context* context, std::error_code& error);
  std::size_t read_from(iovec buffer, std::int64_t offset, std::error_code& error);
  std::size_t write_to(iovec buffer, std::int64_t offset, std::error_code& error);
};

// Standard input, output and error, as files of their own: closing one leaves the process's alone. In blocking mode
// they block their thread (adopt()).
[[nodiscard]] File standard_input();
[[nodiscard]] File standard_output();
[[nodiscard]] File standard_error();

// The two ends of a pipe, which the poller serves.
struct Pipe {
  File reader;
  File writer;

  // Errors: those of pipe(2). Caller: a fiber.
  [[nodiscard]] static Pipe open(std::error_code& error);
  [[nodiscard]] static Pipe open();
};

}  // namespace creel
