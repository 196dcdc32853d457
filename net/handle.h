// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What all sockets and files have: an owned descriptor, deadlines, close.
//
// Thread safety: every function may be called by several fibers at once, close() too: it ends the others' calls with
// Errc::closed. Reads of one handle queue up behind one another, and so do writes; a read and a write go on side by
// side. Moving and destroying need the object to themselves.
// A handle belongs to the runtime it was made in. At that runtime's end it is closed.

#pragma once

#include <chrono>
#include <system_error>
#include <utility>

#include "creel/net/descriptor.h"
#include "creel/net/error.h"
#include "creel/sync/deadline.h"

namespace creel::net {

// A point in time, from "in that long" or "at that time".
class Deadline {
 public:
  template <typename Rep, typename Period>
  Deadline(std::chrono::duration<Rep, Period> duration) : when_(sync::deadline_after(duration)) {}
  template <typename C, typename D>
  Deadline(std::chrono::time_point<C, D> when) : when_(sync::to_deadline(when)) {}
  [[nodiscard]] static Deadline never() noexcept { return sched::Clock::time_point::max(); }
  [[nodiscard]] sched::Clock::time_point when() const noexcept { return when_; }

 private:
  sched::Clock::time_point when_;
};

class Handle {
 public:
  // Closed; to be assigned to.
  Handle() noexcept = default;
  Handle(Handle&& other) noexcept : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      drop();
      descriptor_ = std::exchange(other.descriptor_, nullptr);
    }
    return *this;
  }
  ~Handle() { drop(); }

  [[nodiscard]] bool is_open() const noexcept { return descriptor_ != nullptr && !descriptor_->closed(); }
  // The file's number, -1 when closed. It stays the handle's; that of a socket is non-blocking.
  [[nodiscard]] int native_handle() const noexcept {
    if (descriptor_ == nullptr) return -1;
    descriptor_->always_ask();  // nobody knows what becomes of it: urgent data are read, another protocol is put on top
    return descriptor_->fd();
  }

  // Ends what other fibers do with the handle, with Errc::closed, and closes it; returns when the file is closed.
  // Errors: Errc::closed if it was closed before; what close(2) reports. Caller: anyone; on a thread that runs no fiber
  // no fiber may wait in the handle. Blocking: parks until those others have left; not for calls on a file that the
  // poller does not serve, which go on and keep the file open until they return.
  void close(std::error_code& error);
  void close();

  // From when on reads, writes, or both (accept is a read, connect a write) end with std::errc::timed_out, those that
  // wait already included. A new deadline replaces the old one, also one that has passed: std::chrono durations from
  // now, time points of any clock, Deadline::never(). Errors: Errc::closed; std::errc::not_enough_memory;
  // std::errc::operation_not_supported for a file that the poller does not serve.
  void set_deadline(Deadline deadline, std::error_code& error) { set(true, true, deadline, error); }
  void set_read_deadline(Deadline deadline, std::error_code& error) { set(true, false, deadline, error); }
  void set_write_deadline(Deadline deadline, std::error_code& error) { set(false, true, deadline, error); }
  void set_deadline(Deadline deadline) { set(true, true, deadline); }
  void set_read_deadline(Deadline deadline) { set(true, false, deadline); }
  void set_write_deadline(Deadline deadline) { set(false, true, deadline); }

 protected:
  explicit Handle(detail::Descriptor* descriptor) noexcept : descriptor_(descriptor) {}
  [[nodiscard]] detail::Descriptor* descriptor() const noexcept { return descriptor_; }
  // Runs `call(fd)` (0 or -errno) with the file kept open.
  template <typename F>
  void with_file(F call, std::error_code& error) const {
    int result = detail::kClosed;
    if (descriptor_ != nullptr && (result = descriptor_->enter()) == 0) {
      result = -call(descriptor_->fd());
      descriptor_->leave();
    }
    error = detail::to_error_code(result);
  }

 private:
  void drop() noexcept {
    if (descriptor_ != nullptr) std::exchange(descriptor_, nullptr)->drop_handle();
  }
  void set(bool read, bool write, Deadline deadline, std::error_code& error);
  void set(bool read, bool write, Deadline deadline);

  detail::Descriptor* descriptor_ = nullptr;
};

namespace detail {

// A new file, closed unless it is given away.
class OwnedFile {
 public:
  explicit OwnedFile(int fd) noexcept : fd_(fd) {}
  OwnedFile(OwnedFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~OwnedFile();
  OwnedFile& operator=(OwnedFile&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  // Makes it a descriptor of the calling fiber's runtime, which owns it from then on; null and `error` set. `wanted`:
  // what is to become of a file that epoll does not take (a regular one).
  [[nodiscard]] Descriptor* open(const char* what, std::error_code& error, Polling wanted = Polling::kRequired);
  // Gives it to somebody else.
  int release() noexcept { return std::exchange(fd_, -1); }
  // Closes it now. 0 or an errno value.
  int close() noexcept;

 private:
  int fd_;
};

}  // namespace detail
}  // namespace creel::net
