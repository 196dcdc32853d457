// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// examples/http_server from outside, by a client of plain blocking sockets. Each test has a server of its own, which
// ends on SIGTERM with status 0 and leaves a trace that Go's reader accepts.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "test/support/go_trace.h"

namespace creel::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// One connection to the server.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 60, .tv_usec = 0};  // a server that hangs fails the test
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)), read_(std::move(other.read_)) {}
  ~Client() {
    if (socket_ >= 0) ::close(socket_);
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t put = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      ASSERT_GT(put, 0) << "send";
      text.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  void end_writing() { ::shutdown(socket_, SHUT_WR); }

  // The next answer: its head, and its body in `body`. Empty: the server has closed.
  std::string answer(std::string* body = nullptr) {
    while (read_.find("\r\n\r\n") == std::string::npos) {
      if (!more()) return read_;
    }
    const std::size_t head_size = read_.find("\r\n\r\n") + 4;
    std::string head = read_.substr(0, head_size);
    const std::size_t length = head.find("Content-Length: ");
    const std::size_t body_size = length == std::string::npos ? 0 : std::stoul(head.substr(length + 16));
    while (read_.size() < head_size + body_size) {
      if (!more()) return "the body was cut short";
    }
    if (body != nullptr) *body = read_.substr(head_size, body_size);
    read_.erase(0, head_size + body_size);
    return head;
  }

 private:
  bool more() {
    char room[65536];
    const ssize_t got = ::recv(socket_, room, sizeof room, 0);
    // A reset: the server has closed before it read all that was sent.
    EXPECT_TRUE(got >= 0 || errno == ECONNRESET) << "recv: " << std::strerror(errno);
    if (got > 0) read_.append(room, static_cast<std::size_t>(got));
    return got > 0;
  }

  int socket_;
  std::string read_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(test_directory());
    trace_ = test_directory() + "/http.trace";
    std::filesystem::remove(trace_);
    int output[2];
    ASSERT_EQ(::pipe2(output, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    std::string program = CREEL_BIN_DIR "/http_server";
    std::string where = "127.0.0.1:0";
    char* arguments[] = {program.data(), where.data(), nullptr};
    ::setenv("CREEL_TRACE", trace_.c_str(), 1);
    ASSERT_EQ(::posix_spawn(&server_, program.c_str(), &actions, nullptr, arguments, environ), 0) << program;
    ::unsetenv("CREEL_TRACE");
    posix_spawn_file_actions_destroy(&actions);
    ::close(output[1]);
    output_ = output[0];
    const std::string line = read_line();
    ASSERT_THAT(line, StartsWith("listening at 127.0.0.1:"));
    port_ = static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
  }

  void TearDown() override {
    if (server_ <= 0) return;
    ::kill(server_, SIGTERM);
    EXPECT_EQ(read_line(), "stopped");
    ::close(output_);
    int status = -1;
    EXPECT_GT(::waitpid(std::exchange(server_, -1), &status, 0), 0);
    EXPECT_EQ(status, 0);
    if (find_go_trace()) {
      EXPECT_TRACE_ACCEPTED(trace_);
    } else {
      EXPECT_EQ(std::getenv("CI"), nullptr) << go_trace_missing_reason();
    }
  }

  [[nodiscard]] Client connect() const { return Client(port_); }

 private:
  std::string read_line() {
    std::string line;
    for (char c = 0; ::read(output_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  pid_t server_ = -1;
  int output_ = -1;
  std::uint16_t port_ = 0;
  std::string trace_;
};

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

std::string post(std::string_view body, std::string_view fields = "") {
  return "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

TEST_F(HttpServerTest, KeepsAConnection) {
  Client client = connect();
  for (int i = 0; i < 20; ++i) {
    std::string body;
    client.send(i % 2 == 0 ? std::string(kGet) : post("text"));
    EXPECT_THAT(client.answer(&body), StartsWith("HTTP/1.1 200 "));
    EXPECT_EQ(body, i % 2 == 0 ? "hello from creel\n" : "text");
  }
  client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.answer(), HasSubstr("Connection: close"));
  EXPECT_EQ(client.answer(), "");
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Client client = connect();
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += post("number " + std::to_string(i));
  client.send(requests);
  for (int i = 0; i < 50; ++i) {
    std::string body;
    EXPECT_THAT(client.answer(&body), StartsWith("HTTP/1.1 200 "));
    EXPECT_EQ(body, "number " + std::to_string(i));
  }
}

TEST_F(HttpServerTest, MovesLargeBodies) {
  Client client = connect();
  std::string sent(4 << 20, ' ');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i * i % 26);
  for (int i = 0; i < 2; ++i) {
    std::string body;
    client.send(post(sent));
    EXPECT_THAT(client.answer(&body), StartsWith("HTTP/1.1 200 "));
    EXPECT_TRUE(body == sent);
  }
}

TEST_F(HttpServerTest, ContinuesWhenAsked) {
  Client client = connect();
  const std::string request = post("after a while", "Expect: 100-continue\r\n");
  const std::size_t head = request.find("\r\n\r\n") + 4;
  client.send(request.substr(0, head));
  EXPECT_THAT(client.answer(), StartsWith("HTTP/1.1 100 "));
  client.send(request.substr(head));
  std::string body;
  EXPECT_THAT(client.answer(&body), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(body, "after a while");
}

TEST_F(HttpServerTest, RefusesWhatItCannotServe) {
  const auto status_of = [this](std::string_view request) {
    Client client = connect();
    client.send(request);
    return client.answer().substr(0, 12);
  };
  EXPECT_EQ(status_of("nonsense\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n"), "HTTP/1.1 413");
  EXPECT_EQ(status_of("GET /elsewhere HTTP/1.1\r\n\r\n"), "HTTP/1.1 404");
  EXPECT_EQ(status_of("PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 405");
  EXPECT_EQ(status_of(kGet), "HTTP/1.1 200") << "afterwards";
}

TEST_F(HttpServerTest, SurvivesClientsThatGoAway) {
  for (const std::string_view part : {"", "GET / HT", "POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"}) {
    Client client = connect();
    client.send(part);
    client.end_writing();
    EXPECT_EQ(client.answer(), "") << part;
  }
  Client client = connect();
  client.send(kGet);
  EXPECT_THAT(client.answer(), StartsWith("HTTP/1.1 200 "));
}

// TearDown() stops the server while they are open.
TEST_F(HttpServerTest, StopsWithConnectionsOpen) {
  std::vector<Client> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(connect());
  for (Client& client : clients) client.send(kGet);
  for (Client& client : clients) EXPECT_THAT(client.answer(), StartsWith("HTTP/1.1 200 "));
  for (std::size_t i = 0; i < clients.size(); i += 2) clients[i].send("GET / HT");  // a request that is never complete
  TearDown();
  for (Client& client : clients) EXPECT_EQ(client.answer(), "");
}

}  // namespace
}  // namespace creel::test
