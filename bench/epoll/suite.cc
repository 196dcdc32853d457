// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The network benchmarks as the least that a server can do: one thread, one epoll set, no runtime. --procs is ignored.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "bench/harness/backend.h"
#include "bench/harness/harness.h"
#include "bench/harness/load.h"

namespace bench {

bool backend_traces() noexcept { return false; }

BackendResult run_backend(const BackendOptions&, const std::function<void()>& body) {
  body();
  return {};
}

}  // namespace bench

namespace {

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

class Server {
 public:
  Server() {
    epoll_ = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    listener_ = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const int on = 1;
    checked(setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    checked(bind(listener_, reinterpret_cast<const sockaddr*>(&address), size), "bind");
    checked(listen(listener_, 4096), "listen");
    checked(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    port_ = ntohs(address.sin_port);
    watch(listener_);
  }
  ~Server() {
    ::close(listener_);
    ::close(epoll_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  void watch(int file) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = file;
    checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, file, &event), "epoll_ctl");
  }

  // Serves until `until` is readable.
  void serve(bool echo, int until) {
    std::array<epoll_event, 128> events;
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) checked(count, "epoll_wait");
      bool ended = false;
      for (int i = 0; i < count; ++i) {
        const int file = events[i].data.fd;
        if (file == until) {
          ended = true;
        } else if (file == listener_) {
          accept_all(echo);
        } else {
          answer(file);
        }
      }
      if (ended) return;
    }
  }

 private:
  void accept_all(bool echo) {
    for (;;) {
      const int file = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (file < 0 && errno == EAGAIN) return;
      checked(file, "accept4");
      if (echo) {
        watch(file);
      } else {
        ::close(file);
      }
    }
  }

  static void answer(int file) {
    std::array<char, 1024> room;
    const ssize_t got = recv(file, room.data(), room.size(), 0);
    if (got <= 0) {
      ::close(file);
    } else if (send(file, room.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) {
      throw std::runtime_error("the kernel took only a part of an answer");
    }
  }

  int epoll_ = -1;
  int listener_ = -1;
  std::uint16_t port_ = 0;
};

void measure(bench::Run& run, bool echo, std::int64_t connections, std::int64_t total) {
  Server server;
  bench::Load load({echo ? "echo" : "accept", server.port(), connections, total});
  load.start();
  server.watch(load.file());
  server.serve(echo, load.file());
  load.await_ready();
  run.measure(total, [&] {
    load.begin();
    server.serve(echo, load.file());
    load.end();
  });
  load.report(run);
  load.finish();
}

template <std::int64_t kConnections>
void echo_server(bench::Run& run) {
  measure(run, true, kConnections, run.count(kConnections == 1 ? 100'000 : 500'000));
}
void accept_server(bench::Run& run) { measure(run, false, 16, run.count(100'000)); }

const bench::Registration kAccept{"tcp_accept", "ns/connection", &accept_server};
const bench::Registration kEcho1{"tcp_echo_1", "ns/request", &echo_server<1>};
const bench::Registration kEcho1000{"tcp_echo_1000", "ns/request", &echo_server<1000>};
const bench::Registration kEcho64{"tcp_echo_64", "ns/request", &echo_server<64>};

}  // namespace

int main(int argc, char** argv) { return bench::main_of("epoll", argc, argv); }
