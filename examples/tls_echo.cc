// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// TLS between fibers: OpenSSL by way of asio::ssl::stream over TcpStream. Usage: tls_echo CERTIFICATE KEY [CLIENTS], PEM
// files; the certificate is the server's and the one that its clients trust, for 127.0.0.1. One is made by
//   openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=creel -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem
//
// In the trace: handshakes and records are computed by the fibers themselves, which block on "network" in between.

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <utility>

#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <creel/creel.h>
#include <creel/net/asio.h>
#include <fmt/core.h>

#include "examples/arguments.h"

namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using creel::net::TcpListener;
using creel::net::TcpStream;
using TlsStream = ssl::stream<creel::net::AsioLayer<TcpStream>>;

constexpr std::size_t kBytes = 1 << 20;

void echo(TcpStream plain, ssl::context& context) {
  TlsStream stream(std::move(plain), context);
  stream.handshake(ssl::stream_base::server);
  std::array<char, 16384> room;
  boost::system::error_code error;
  for (;;) {
    const std::size_t got = stream.read_some(asio::buffer(room), error);
    if (error) break;
    asio::write(stream, asio::buffer(room, got));
  }
  if (error != asio::error::eof) throw boost::system::system_error(error, "the server's read");
  stream.shutdown();  // answers the client's farewell
}

std::size_t talk(TcpStream plain, ssl::context& context, char letter) {
  TlsStream stream(std::move(plain), context);
  stream.set_verify_mode(ssl::verify_peer);
  stream.set_verify_callback(ssl::host_name_verification("127.0.0.1"));
  stream.handshake(ssl::stream_base::client);
  const std::string sent(kBytes, letter);
  std::string received(kBytes, ' ');
  // Asio's stream takes one call at a time, so a piece is read before the next is written.
  for (std::size_t at = 0; at < kBytes; at += 1 << 14) {
    asio::write(stream, asio::buffer(sent.data() + at, 1 << 14));
    asio::read(stream, asio::buffer(received.data() + at, 1 << 14));
  }
  stream.shutdown();
  return sent == received ? kBytes : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "tls_echo CERTIFICATE KEY [CLIENTS]", 2, 3);
  const int clients = arguments.number(3, "CLIENTS", 4);
  return creel::run(creel::Options{}, [&] {
    ssl::context server_context(ssl::context::tls_server);
    server_context.use_certificate_chain_file(argv[1]);
    server_context.use_private_key_file(argv[2], ssl::context::pem);
    ssl::context client_context(ssl::context::tls_client);
    client_context.load_verify_file(argv[1]);

    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    std::atomic<std::size_t> bytes = 0;
    creel::Scope scope;
    scope.go({.name = "accept"}, [&] {
      for (int i = 0; i < clients; ++i) {
        scope.go({.name = "server"},
                 [&, stream = listener.accept()]() mutable { echo(std::move(stream), server_context); });
      }
    });
    for (int i = 0; i < clients; ++i) {
      scope.go({.name = "client"}, [&, i] {
        bytes += talk(TcpStream::connect(listener.local_address()), client_context, static_cast<char>('a' + i % 26));
      });
    }
    scope.join();
    fmt::print("{} bytes went there and back over TLS\n", bytes.load());
  });
}
