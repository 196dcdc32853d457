// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Asio's error codes for the streams of net/: with this header TcpStream and UnixStream model SyncReadStream and
// SyncWriteStream, so boost::asio::read(), write() and Boost.Beast work on them; AsioLayer<TcpStream> goes below
// boost::asio::ssl::stream. Not part of <creel/creel.h>: the only header here that includes Boost. Calls that Asio makes without an error code throw boost::system::system_error from
// its own functions.

#pragma once

#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/error_code.hpp>

#include "creel/net/stream.h"

namespace creel::net {

template <>
struct ForeignError<boost::system::error_code> {
  // errno values keep their number in the system category, where Asio looks for them; Errc::closed and a deadline
  // become what Asio has for them (operation_aborted, timed_out).
  static boost::system::error_code from(const std::error_code& error) {
    if (!error) return {};
    if (error == Errc::closed) return boost::asio::error::operation_aborted;
    if (error.category() == std::generic_category() || error.category() == std::system_category()) {
      return {error.value(), boost::system::system_category()};
    }
    return boost::system::errc::make_error_code(boost::system::errc::io_error);
  }
  static boost::system::error_code eof() { return boost::asio::error::eof; }
};

// A stream with the names that Asio's layers ask of the one below them, beside reading and writing:
//
//   boost::asio::ssl::stream<creel::net::AsioLayer<creel::net::TcpStream>> tls(std::move(stream), context);
//   tls.handshake(boost::asio::ssl::stream_base::server);
//
// Their synchronous calls only: the executor is never given work. OpenSSL's state of errors belongs to a thread, and is
// read by Asio without a wait in between, so a fiber may change threads in every such call.
template <typename Stream>
class AsioLayer : public Stream {
 public:
  using lowest_layer_type = AsioLayer;
  using executor_type = boost::asio::system_executor;
  AsioLayer(Stream&& stream) noexcept : Stream(std::move(stream)) {}
  [[nodiscard]] lowest_layer_type& lowest_layer() noexcept { return *this; }
  [[nodiscard]] const lowest_layer_type& lowest_layer() const noexcept { return *this; }
  [[nodiscard]] executor_type get_executor() const noexcept { return {}; }
};

}  // namespace creel::net
