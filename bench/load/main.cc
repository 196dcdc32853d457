// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The load generator of the network benchmarks: one thread, one epoll set, the same for every server.
//
//   bench_load --mode=echo|accept --port=N --connections=N --requests=N
//
// echo: `connections` connections to 127.0.0.1, each of which sends 64 bytes, waits for them to come back and sends the
// next. accept: `connections` at a time, each connects, waits until the server has closed, closes and connects anew.
// Prints "ready" when every connection has been through that once, begins on a line on standard input, prints how many
// ns `requests` rounds took, and ends when standard input does. Status 1 with a message when the server misbehaves.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/core.h>

namespace {

constexpr std::size_t kMessage = 64;
constexpr std::uint32_t kInput = ~0u;

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

struct Options {
  std::string_view mode;
  std::uint16_t port = 0;
  std::int64_t connections = 0;
  std::int64_t requests = 0;
};

template <typename T>
void parse_number(std::string_view argument, std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) {
    throw std::invalid_argument(fmt::format("'{}' is not accepted: give a number from 1 on", argument));
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::size_t equals = std::min(argument.find('='), argument.size() - 1);
    const std::string_view flag = argument.substr(0, equals);
    const std::string_view value = argument.substr(equals + 1);
    if (flag == "--mode" && (value == "echo" || value == "accept")) {
      options.mode = value;
    } else if (flag == "--port") {
      parse_number(argument, value, options.port);
    } else if (flag == "--connections") {
      parse_number(argument, value, options.connections);
    } else if (flag == "--requests") {
      parse_number(argument, value, options.requests);
    } else {
      options.mode = {};
      break;
    }
  }
  if (options.mode.empty() || options.port == 0 || options.connections == 0 || options.requests == 0) {
    throw std::invalid_argument("give --mode=echo|accept --port=N --connections=N --requests=N");
  }
  return options;
}

class Generator {
 public:
  explicit Generator(const Options& options) : options_(options), files_(options.connections), got_(options.connections) {
    rlimit limit{};
    checked(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    checked(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    epoll_ = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    watch(STDIN_FILENO, kInput);
    for (std::uint32_t i = 0; i < files_.size(); ++i) connect(i);
  }

  // `rounds` of all connections together.
  void work(std::int64_t rounds) {
    to_start_ = to_end_ = rounds;
    for (std::uint32_t i = 0; i < files_.size() && to_start_ > 0; ++i) begin_round(i);
    std::array<epoll_event, 256> events;
    while (to_end_ > 0) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) checked(count, "epoll_wait");
      for (int k = 0; k < count; ++k) {
        const std::uint32_t i = events[k].data.u32;
        if (i == kInput) throw std::runtime_error("standard input ended too early");
        if (options_.mode == "echo" ? echoed(i) : closed(i)) end_round(i);
      }
    }
  }

 private:
  void watch(int file, std::uint32_t place) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = place;
    checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, file, &event), "epoll_ctl");
  }

  // To loopback: the kernel answers at once, before accept().
  void connect(std::uint32_t i) {
    const int file = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const int on = 1;
    checked(setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
    files_[i] = file;
    watch(file, i);
  }

  void begin_round(std::uint32_t i) {
    --to_start_;
    if (options_.mode == "echo") {
      if (send(files_[i], message_.data(), kMessage, MSG_NOSIGNAL) != kMessage) checked(-1, "send");
    } else if (files_[i] < 0) {
      connect(i);
    }
  }

  void end_round(std::uint32_t i) {
    --to_end_;
    if (to_start_ > 0) begin_round(i);
  }

  bool echoed(std::uint32_t i) {
    std::array<char, kMessage> room;
    const int got = checked(static_cast<int>(recv(files_[i], room.data(), kMessage - got_[i], 0)), "recv");
    if (got == 0) throw std::runtime_error("the server has closed a connection");
    got_[i] = (got_[i] + static_cast<std::uint32_t>(got)) % kMessage;
    return got_[i] == 0;
  }

  // A reset, as the server has sent its end: no port stays in TIME_WAIT on either side.
  bool closed(std::uint32_t i) {
    char c = 0;
    if (checked(static_cast<int>(recv(files_[i], &c, 1, 0)), "recv") != 0) throw std::runtime_error("the server sent");
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    checked(setsockopt(files_[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt");
    ::close(files_[i]);
    files_[i] = -1;
    return true;
  }

  Options options_;
  int epoll_ = -1;
  std::vector<int> files_;
  std::vector<std::uint32_t> got_;  // bytes of the answer that are there
  std::array<char, kMessage> message_{};
  std::int64_t to_start_ = 0;
  std::int64_t to_end_ = 0;
};

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  Generator generator(options);
  generator.work(options.connections);
  fmt::print("ready\n");
  std::fflush(stdout);
  if (std::getchar() != '\n') return 1;
  const auto started = std::chrono::steady_clock::now();
  generator.work(options.requests);
  fmt::print("{}\n", (std::chrono::steady_clock::now() - started).count());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_load: {}\n", error.what());
    return 1;
  }
}
