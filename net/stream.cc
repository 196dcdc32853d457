// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/net/stream.h"

#include <algorithm>

#include "creel/net/sys.h"

namespace creel::net {

using detail::Descriptor;
using detail::outcome;
using detail::retry_ready;
using detail::Side;

namespace {

constexpr std::size_t kMostPerCall = 0x7ffff000;  // recv(2): what is asked beyond is not looked at

ssize_t read_now(Descriptor& d, iovec* vectors, std::size_t count, const Context* context) {
  std::size_t asked = 0;
  for (std::size_t i = 0; i < count; ++i) asked += vectors[i].iov_len;
  bool whole = !sys::may_fault();  // else less may have been asked for
  const ssize_t got = detail::retry_read(d, context, [&]() -> ssize_t {
    if (count == 1) return sys::recv(d.fd(), vectors->iov_base, vectors->iov_len, 0);
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    return sys::recv_message(d.fd(), &message, 0);
  });
  whole = whole && !sys::may_fault();
  d.note_read(whole && got > 0 && static_cast<std::size_t>(got) < std::min(asked, kMostPerCall));
  return got;
}

ssize_t write_now(Descriptor& d, iovec* vectors, std::size_t count, const Context* context) {
  return retry_ready(d, Side::kWrite, context, [&]() -> ssize_t {
    if (count == 1) return sys::send(d.fd(), vectors->iov_base, vectors->iov_len, 0);
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    return sys::send_message(d.fd(), &message, 0);
  });
}

}  // namespace

std::size_t StreamSocket::read(iovec* vectors, std::size_t count, const Context* context, std::error_code& error) {
  return detail::with_side(descriptor(), Side::kRead, error, [&](Descriptor& d) -> ssize_t {
    return count == 0 ? 0 : read_now(d, vectors, count, context);
  });
}

std::size_t StreamSocket::write(iovec* vectors, std::size_t count, const Context* context, std::error_code& error) {
  return detail::with_side(descriptor(), Side::kWrite, error, [&](Descriptor& d) -> ssize_t {
    return count == 0 ? 0 : write_now(d, vectors, count, context);
  });
}

std::size_t StreamSocket::read_entered(iovec* vectors, std::size_t count, const Context* context,
                                       std::error_code& error) {
  return outcome(read_now(*descriptor(), vectors, count, context), error);
}

std::size_t StreamSocket::write_entered(iovec* vectors, std::size_t count, const Context* context,
                                        std::error_code& error) {
  return outcome(write_now(*descriptor(), vectors, count, context), error);
}

std::uint64_t StreamSocket::send_file(int file, std::int64_t offset, std::uint64_t count, std::error_code& error) {
  constexpr std::uint64_t kStep = 1u << 20;  // a call keeps the processor for no longer than that takes
  detail::Exclusive guard(descriptor(), Side::kWrite, error);
  if (error) return 0;
  Descriptor& d = *descriptor();
  off_t position = offset;
  std::uint64_t total = 0;
  while (total < count) {
    const auto want = static_cast<std::size_t>(std::min(count - total, kStep));
    const ssize_t sent = retry_ready(d, Side::kWrite, [&] { return sys::send_file(d.fd(), file, &position, want); });
    const std::size_t moved = outcome(sent, error);
    if (moved == 0) break;  // an error, or the file's end
    total += moved;
  }
  return total;
}

std::uint64_t StreamSocket::send_file(int file, std::int64_t offset, std::uint64_t count) {
  std::error_code error;
  const std::uint64_t sent = send_file(file, offset, count, error);
  detail::throw_if(error, "creel::net: send_file");
  return sent;
}

void StreamSocket::shutdown_write(std::error_code& error) {
  with_file([](int fd) { return sys::shutdown(fd, SHUT_WR); }, error);
}

void StreamSocket::shutdown_write() {
  std::error_code error;
  shutdown_write(error);
  detail::throw_if(error, "creel::net: shutdown_write");
}

void StreamSocket::shutdown_read(std::error_code& error) {
  with_file([](int fd) { return sys::shutdown(fd, SHUT_RD); }, error);
}

void StreamSocket::shutdown_read() {
  std::error_code error;
  shutdown_read(error);
  detail::throw_if(error, "creel::net: shutdown_read");
}

}  // namespace creel::net
