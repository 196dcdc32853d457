// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// An HTTP/1.1 server: Boost.Beast speaks the protocol, creel waits. Usage: http_server [HOST:PORT], default 127.0.0.1:8080.
// GET / greets, POST /echo sends the body back. Ends on SIGTERM or SIGINT: answers what it has begun to read, then closes.
//
// In the trace: a fiber per connection, which blocks on "network" between requests.

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <mutex>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <creel/creel.h>
#include <creel/net/asio.h>
#include <fmt/core.h>

#include "examples/arguments.h"

namespace {

using namespace std::chrono_literals;
namespace http = boost::beast::http;
using creel::net::TcpListener;
using creel::net::TcpStream;
using Response = http::response<http::string_body>;

constexpr std::uint64_t kLargestBody = 16 << 20;

// What is served, and the word that it is over.
class Connections {
 public:
  void add(TcpStream& stream) {
    const std::lock_guard lock(mutex_);
    streams_.insert(&stream);
  }
  void remove(TcpStream& stream) {
    const std::lock_guard lock(mutex_);
    streams_.erase(&stream);
  }
  // Ends all reads. What is to be written goes out.
  void stop() {
    stopping_ = true;
    const std::lock_guard lock(mutex_);
    std::error_code error;
    for (TcpStream* stream : streams_) stream->set_read_deadline(0ms, error);
  }
  // The time for the next request. False: there shall be none.
  bool next(TcpStream& stream) {
    std::error_code error;
    stream.set_read_deadline(30s, error);
    return !error && !stopping_;  // looked at after: stop() says it before it sets its deadline
  }

 private:
  creel::Mutex mutex_;
  std::set<TcpStream*> streams_;
  std::atomic<bool> stopping_{false};
};

Response answer(http::request<http::string_body>&& request) {
  Response response(http::status::ok, request.version());
  response.keep_alive(request.keep_alive());
  response.set(http::field::content_type, "text/plain");
  if (request.target() == "/" && request.method() == http::verb::get) {
    response.body() = "hello from creel\n";
  } else if (request.target() == "/echo" && request.method() == http::verb::post) {
    response.body() = std::move(request.body());
  } else {
    response.result(request.target() == "/" || request.target() == "/echo" ? http::status::method_not_allowed
                                                                           : http::status::not_found);
  }
  response.prepare_payload();
  return response;
}

void serve(TcpStream stream, Connections& connections) {
  connections.add(stream);
  boost::beast::flat_buffer buffer;  // may hold the beginning of the next request already
  boost::system::error_code error;
  while (!error && connections.next(stream)) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(kLargestBody);
    http::read_header(stream, buffer, parser, error);
    if (!error && parser.get()[http::field::expect] == "100-continue") {
      http::write(stream, http::response<http::empty_body>(http::status::continue_, 11), error);
    }
    if (!error) http::read(stream, buffer, parser, error);
    Response response;
    if (!error) {
      response = answer(parser.release());
    } else if (error.category() == http::make_error_code(http::error::end_of_stream).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      response.result(error == http::error::body_limit ? http::status::payload_too_large : http::status::bad_request);
      response.keep_alive(false);
      response.prepare_payload();
    } else {
      break;  // the end, a deadline, or a connection that is gone
    }
    boost::system::error_code failed;
    http::write(stream, response, failed);
    if (failed || !response.keep_alive()) break;
  }
  connections.remove(stream);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "http_server [HOST:PORT]", 0, 1);
  const std::string_view address = arguments.text(1, "127.0.0.1:8080");
  return creel::run(creel::Options{}, [&] {
    auto [context, stop] = creel::notify_context(creel::Context::background(), SIGTERM, SIGINT);
    TcpListener listener = TcpListener::bind(address);
    fmt::print("listening at {}\n", listener.local_address().to_string());
    std::fflush(stdout);
    Connections connections;
    creel::Scope scope;
    std::error_code error;
    for (TcpStream stream = listener.accept(context, error); !error; stream = listener.accept(context, error)) {
      scope.go([&, stream = std::move(stream)]() mutable { serve(std::move(stream), connections); });
    }
    listener.close();
    connections.stop();
    scope.join();
    if (context.ended()) return fmt::print("stopped\n"), 0;
    fmt::print(stderr, "http_server: accept: {}\n", error.message());
    return 1;
  });
}
