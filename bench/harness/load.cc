// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "bench/harness/load.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include <fmt/core.h>

#include "bench/harness/harness.h"

namespace bench {
namespace {

[[noreturn]] void fail(int error, const char* what) { throw std::system_error(error, std::generic_category(), what); }

// $CREEL_BENCH_LOAD, else beside this program.
std::string program() {
  if (const char* given = std::getenv("CREEL_BENCH_LOAD")) return given;
  return std::filesystem::read_symlink("/proc/self/exe").replace_filename("bench_load");
}

// A thousand connections are more than many systems allow a process at first.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail(errno, "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail(errno, "setrlimit");
}

}  // namespace

Load::~Load() {
  if (input_ >= 0) ::close(input_);  // the child ends by that
  if (output_ >= 0) ::close(output_);
  if (child_ > 0) ::waitpid(child_, nullptr, 0);
}

void Load::start() {
  raise_file_limit();
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0) fail(errno, "pipe");
  input_ = input[1];
  if (::pipe2(output, O_CLOEXEC) != 0) fail(errno, "pipe");
  output_ = output[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  std::string path = program();
  std::array<std::string, 4> words{"--mode=" + options_.mode, fmt::format("--port={}", options_.port),
                                   fmt::format("--connections={}", options_.connections),
                                   fmt::format("--requests={}", options_.requests)};
  char* arguments[] = {path.data(), words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  const int error = ::posix_spawn(&child_, path.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  ::close(output[1]);
  if (error != 0) {
    child_ = -1;
    fail(error, path.c_str());
  }
}

std::string Load::line() {
  std::string text;
  for (char c = 0;;) {
    const ssize_t got = ::read(output_, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1) throw std::runtime_error("the load generator ended early; it said: '" + text + "'");
    if (c == '\n') return text;
    text += c;
  }
}

void Load::await_ready() {
  if (const std::string text = line(); text != "ready") throw std::runtime_error("the load generator says " + text);
}

void Load::begin() {
  if (::write(input_, "\n", 1) != 1) fail(errno, "write to the load generator");
}

void Load::end() { wall_ns_ = std::stoll(line()); }

void Load::run() {
  begin();
  end();
}

void Load::finish() {
  ::close(input_);
  input_ = -1;
  int status = 0;
  if (::waitpid(child_, &status, 0) != child_) fail(errno, "waitpid");
  child_ = -1;
  if (status != 0) throw std::runtime_error(fmt::format("the load generator ended with status {:#x}", status));
}

void Load::report(Run& run) const {
  const auto requests = static_cast<double>(run.operations());
  run.set_value(static_cast<double>(wall_ns_) / requests);
  run.add_metric("cpu_ns", static_cast<double>(run.cpu().count()) / requests);
}

}  // namespace bench
