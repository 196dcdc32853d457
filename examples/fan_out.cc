// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A crawler: every page found is fetched by a fiber of its own, no faster than a limit, until a deadline.
// Usage: fan_out [PAGES] [MILLISECONDS], default 200 pages and 5000 ms.
//
// The pages are served by the same program over loopback: page N links to 2N and 2N + 1. In the trace: a tree of fibers
// that grows from one; each waits on "sleep" for the rate limiter, then on "network". At the deadline all end at once.

#include <array>
#include <atomic>
#include <chrono>

#include <fmt/core.h>

#include <creel/creel.h>

#include "examples/arguments.h"

namespace {

using creel::net::TcpListener, creel::net::TcpStream;
using Page = std::array<int, 2>;  // its links; 0: none

// Answers the number of a page with the page, until `context` ends.
void serve(TcpListener& listener, int pages, const creel::Context& context) {
  creel::Scope connections(context);
  std::error_code error;
  for (TcpStream stream = listener.accept(context, error); !error; stream = listener.accept(context, error)) {
    connections.go([pages, peer = std::move(stream)](const creel::Context& until) mutable {
      std::array<int, 1> number{};
      std::error_code gone;
      peer.read_full(number, until, gone);
      const auto link = [&](int to) { return to <= pages ? to : 0; };
      if (!gone) peer.write_all(Page{link(2 * number[0]), link(2 * number[0] + 1)}, until, gone);
    });
  }
}

struct Crawler {
  creel::net::Address site;
  creel::RateLimiter limit{2000, 10};
  std::atomic<int> fetched = 0;

  // Fetches a page, and all it leads to on further fibers of `scope`. What is thrown ends the others.
  void visit(creel::Scope& scope, int number) {
    if (!limit.wait(scope.context())) throw creel::DeadlineExceeded();
    TcpStream stream = TcpStream::connect(site, scope.context());
    stream.write_all(std::array{number}, scope.context());
    Page page{};
    stream.read_full(page, scope.context());
    ++fetched;
    for (const int link : page) {
      if (link != 0) scope.go([this, &scope, link] { visit(scope, link); });
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "fan_out [PAGES] [MILLISECONDS]", 0, 2);
  const int pages = arguments.number(1, "PAGES", 200);
  const int time = arguments.number(2, "MILLISECONDS", 5000);
  return creel::run([pages, time] {
    TcpListener listener = TcpListener::bind("127.0.0.1:0");
    creel::Scope server;  // joined at the end
    server.go([&](const creel::Context& context) { serve(listener, pages, context); });

    Crawler crawler{.site = listener.local_address()};
    try {
      creel::Scope scope(creel::Context::background().with_timeout(std::chrono::milliseconds(time)));
      scope.go([&] { crawler.visit(scope, 1); });  // joined by the end of this block
    } catch (const std::exception& error) {  // the deadline, or what went wrong with a page
      fmt::print("ended early: {}\n", error.what());
    }
    server.cancel();
    fmt::print("{} of {} pages fetched\n", crawler.fetched.load(), pages);
  });
}
