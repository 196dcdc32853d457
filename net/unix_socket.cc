// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/unix_socket.h"

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>

#include "creel/net/accept.h"
#include "creel/net/cancellable.h"
#include "creel/net/dial.h"
#include "creel/net/sys.h"
#include "creel/sched/park.h"

namespace creel::net {
namespace {

using detail::Descriptor;
using detail::OwnedFile;
using sched::Clock;

constexpr std::size_t kPathAt = offsetof(sockaddr_un, sun_path);

struct PathAddress {
  sockaddr_un storage{};
  socklen_t size = 0;
  int error = 0;  // errno value

  explicit PathAddress(std::string_view path) {
    storage.sun_family = AF_UNIX;
    const bool abstract = path.starts_with('@');
    // A file's name is followed by a NUL; an abstract one is not.
    if (path.empty() || (!abstract && path.find('\0') != std::string_view::npos)) {
      error = EINVAL;
    } else if (path.size() + (abstract ? 0 : 1) > sizeof storage.sun_path) {
      error = ENAMETOOLONG;
    } else {
      std::memcpy(storage.sun_path, path.data(), path.size());
      if (abstract) storage.sun_path[0] = '\0';
      size = static_cast<socklen_t>(kPathAt + path.size() + (abstract ? 0 : 1));
    }
  }
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

// A new socket, bound to `path`. Error: an errno value.
int bind_file(const OwnedFile& file, const PathAddress& address) {
  if (address.error != 0) return address.error;
  if (file.get() < 0) return -file.get();
  return -sys::bind(file.get(), address.get(), address.size);
}

Descriptor* connect_path(int type, std::string_view path, const Context& context, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::net: connect to a path"));
  const PathAddress address(path);
  error = detail::to_error_code(address.error);
  if (error) return nullptr;
  // A listener whose queue is full says EAGAIN and tells nobody when there is room: try again after a while.
  for (std::chrono::milliseconds pause{1};; pause = std::min(pause * 2, std::chrono::milliseconds(50))) {
    OwnedFile file(sys::socket(AF_UNIX, type, 0));
    error = detail::to_error_code(file.get() < 0 ? -file.get() : 0);
    if (error) return nullptr;
    Descriptor* descriptor =
        detail::connect_file(file, address.get(), address.size, Clock::time_point::max(), context, nullptr, error);
    if (error != std::errc::resource_unavailable_try_again) return descriptor;
    if (!sleep_for(context, pause)) {
      error = detail::to_error_code(detail::error_of(*context.canceller()));
      return nullptr;
    }
  }
}

// Both ends of a new pair, opened; throws.
std::pair<Descriptor*, Descriptor*> open_pair(int type, const char* what) {
  static_cast<void>(sched::current_fiber(what));
  int fds[2] = {-1, -1};
  std::error_code error = detail::to_error_code(-sys::socket_pair(AF_UNIX, type, fds));
  OwnedFile a(fds[0]);
  OwnedFile b(fds[1]);
  detail::throw_if(error, what);
  Descriptor* const first = a.open(what, error);
  detail::throw_if(error, what);
  Descriptor* const second = b.open(what, error);
  if (error) first->drop_handle();
  detail::throw_if(error, what);
  return {first, second};
}

[[noreturn]] void fail_at(const std::error_code& error, const char* what, std::string_view path) {
  throw std::system_error(error, what + ("(\"" + std::string(path) + "\")"));
}

}  // namespace

UnixStream UnixStream::connect(std::string_view path, const Context& context, std::error_code& error) {
  return UnixStream(connect_path(SOCK_STREAM, path, context, error));
}

UnixStream UnixStream::connect(std::string_view path, std::error_code& error) {
  return connect(path, Context::background(), error);
}

UnixStream UnixStream::connect(std::string_view path, const Context& context) {
  std::error_code error;
  UnixStream stream = connect(path, context, error);
  if (error) fail_at(error, "creel::net::UnixStream::connect", path);
  return stream;
}

UnixStream UnixStream::connect(std::string_view path) {
  std::error_code error;
  UnixStream stream = connect(path, error);
  if (error) fail_at(error, "creel::net::UnixStream::connect", path);
  return stream;
}

std::pair<UnixStream, UnixStream> UnixStream::pair() {
  const auto [first, second] = open_pair(SOCK_STREAM, "creel::net::UnixStream::pair()");
  return {UnixStream(first), UnixStream(second)};
}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this != &other) {
    std::error_code ignored;  // as a destructor
    if (is_open()) close(ignored);
    Socket::operator=(std::move(other));
    path_ = std::move(other.path_);
    unlink_ = other.unlink_;
  }
  return *this;
}

UnixListener::~UnixListener() {
  std::error_code ignored;
  if (is_open()) close(ignored);
}

UnixListener UnixListener::bind(std::string_view path, std::error_code& error, int backlog) {
  static_cast<void>(sched::current_fiber("creel::net::UnixListener::bind()"));
  OwnedFile file(sys::socket(AF_UNIX, SOCK_STREAM, 0));
  int failed = bind_file(file, PathAddress(path));
  const bool bound = failed == 0;
  Descriptor* descriptor = nullptr;
  if (bound) failed = -sys::listen(file.get(), backlog);
  error = detail::to_error_code(failed);
  if (!error) descriptor = file.open("creel::net::UnixListener::bind()", error);
  if (descriptor != nullptr) return UnixListener(descriptor, path);
  if (bound && !path.starts_with('@')) ::unlink(std::string(path).c_str());
  return {};
}

UnixListener UnixListener::bind(std::string_view path) {
  std::error_code error;
  UnixListener listener = bind(path, error);
  if (error) fail_at(error, "creel::net::UnixListener::bind", path);
  return listener;
}

UnixStream UnixListener::accept_one(const Context* context, std::error_code& error) {
  return UnixStream(detail::accept_connection(descriptor(), context, "creel::net::UnixListener::accept()", error));
}

UnixStream UnixListener::accept() {
  std::error_code error;
  UnixStream stream = accept(error);
  detail::throw_if(error, "creel::net::UnixListener::accept()");
  return stream;
}

UnixStream UnixListener::accept(const Context& context) {
  std::error_code error;
  UnixStream stream = accept(context, error);
  detail::throw_if(error, "creel::net::UnixListener::accept()");
  return stream;
}

void UnixListener::close(std::error_code& error) {
  // First the name: what is there after the close may be a successor's.
  if (is_open() && unlink_ && !path_.empty() && !path_.starts_with('@')) ::unlink(path_.c_str());
  Socket::close(error);
}

void UnixListener::close() {
  std::error_code error;
  close(error);
  detail::throw_if(error, "creel::net::UnixListener::close()");
}

UnixDatagram UnixDatagram::bind(std::string_view path, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::net::UnixDatagram::bind()"));
  OwnedFile file(sys::socket(AF_UNIX, SOCK_DGRAM, 0));
  error = detail::to_error_code(bind_file(file, PathAddress(path)));
  if (error) return {};
  return UnixDatagram(file.open("creel::net::UnixDatagram::bind()", error));
}

UnixDatagram UnixDatagram::bind(std::string_view path) {
  std::error_code error;
  UnixDatagram socket = bind(path, error);
  if (error) fail_at(error, "creel::net::UnixDatagram::bind", path);
  return socket;
}

UnixDatagram UnixDatagram::connect(std::string_view path, std::error_code& error) {
  return UnixDatagram(connect_path(SOCK_DGRAM, path, Context::background(), error));
}

UnixDatagram UnixDatagram::connect(std::string_view path) {
  std::error_code error;
  UnixDatagram socket = connect(path, error);
  if (error) fail_at(error, "creel::net::UnixDatagram::connect", path);
  return socket;
}

std::pair<UnixDatagram, UnixDatagram> UnixDatagram::pair() {
  const auto [first, second] = open_pair(SOCK_DGRAM, "creel::net::UnixDatagram::pair()");
  return {UnixDatagram(first), UnixDatagram(second)};
}

std::size_t UnixDatagram::send_path(detail::Vectors& vectors, std::string_view path, const Context* context,
                                    std::error_code& error) {
  const PathAddress address(path);
  error = detail::to_error_code(address.error);
  return error ? 0 : send_message(vectors, address.get(), address.size, context, error);
}

Message UnixDatagram::receive_path(detail::Vectors& vectors, std::string& from, const Context* context,
                                   std::error_code& error) {
  sockaddr_un storage{};
  socklen_t size = sizeof storage;
  const Message message = receive_message(vectors, reinterpret_cast<sockaddr*>(&storage), &size, context, error);
  if (error) return message;
  from.clear();
  if (size > kPathAt) {
    from.assign(storage.sun_path, size - kPathAt);
    if (from[0] == '\0') {
      from[0] = '@';
    } else {
      from.resize(std::strlen(from.c_str()));
    }
  }
  return message;
}

}  // namespace creel::net
