// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Child processes.
//
//   creel::Output listing = creel::output({.argv = {"ls", "-l"}});          // runs it, collects what it writes
//
//   using creel::Stdio;
//   creel::Child child = creel::Child::start({.argv = {"sort"}, .in = Stdio::pipe(), .out = Stdio::pipe()});
//   child.in.write_all("b\na\n");
//   child.in.close();
//   ... child.out.read_some(room) ...
//   creel::ExitStatus status = child.wait();
//
// A child gets what Command names and nothing else: no other descriptor of this process is open in it, also those that
// were opened without O_CLOEXEC. Waiting parks the fiber in the poller (a pidfd; before Linux 5.3 it blocks a thread).
// No zombie is left: a Child that goes away without wait() is killed and waited for. Requires: SIGCHLD is not ignored,
// and nobody else waits for all children.
// Source: package os/exec of Go. Not so: no copying to and from other objects than files but by output().

#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "creel/os/file.h"
#include "creel/sync/context.h"

namespace creel {

// What a child has as its standard input, output or error.
class Stdio {
 public:
  static Stdio null() noexcept { return Stdio(Kind::kNull); }        // /dev/null
  static Stdio inherit() noexcept { return Stdio(Kind::kInherit); }  // this process's
  // A new pipe, whose other end is Child::in, out or err.
  static Stdio pipe() noexcept { return Stdio(Kind::kPipe); }
  // An open file. It stays the caller's, who closes it when the child is to be its only user, and it is in blocking
  // mode from then on, as children expect: a call of this process's on it blocks its thread. Requires: it is open
  // until the child has been started.
  static Stdio file(const File& file) noexcept { return Stdio(Kind::kFile, &file); }
  // For err: the same as out.
  static Stdio as_output() noexcept { return Stdio(Kind::kAsOutput); }
  [[nodiscard]] bool is_null() const noexcept { return kind == Kind::kNull; }

 private:
  friend class Child;
  enum class Kind { kNull, kInherit, kPipe, kFile, kAsOutput };
  explicit Stdio(Kind what, const File* of = nullptr) noexcept : kind(what), source(of) {}
  Kind kind;
  const File* source;
};

// What to start.
struct Command {
  // The program and its arguments. Without a '/' the program is looked for along this process's PATH.
  std::vector<std::string> argv;
  // "NAME=value" each; nullopt: this process's environment.
  std::optional<std::vector<std::string>> environment = std::nullopt;
  // Where it runs, also to which a relative program path belongs; empty: this process's.
  std::filesystem::path directory = {};
  Stdio in = Stdio::null();
  Stdio out = Stdio::null();
  Stdio err = Stdio::null();
};

// How a process ended.
struct ExitStatus {
  int code = 0;    // of exit(); -1 if a signal ended it
  int signal = 0;  // 0: it exited

  [[nodiscard]] bool success() const noexcept { return code == 0; }
  // "exit status 3", "signal: Killed"
  [[nodiscard]] std::string to_string() const;
  bool operator==(const ExitStatus&) const = default;
};

class Child {
 public:
  // None; to be assigned to.
  Child() noexcept;
  // Errors: std::errc::invalid_argument (no argv, a NUL in a string, as_output() for in or out), what opening pipes and
  // posix_spawn(3) report: std::errc::no_such_file_or_directory for the program and for the directory. Caller: a fiber.
  [[nodiscard]] static Child start(const Command& command, std::error_code& error);
  [[nodiscard]] static Child start(const Command& command);
  Child(Child&&) noexcept;
  Child& operator=(Child&&) noexcept;
  // Kills and waits for a child that nobody has waited for. Blocking: parks.
  ~Child();

  // This process's ends of what Stdio::pipe() asked for; the others are closed.
  File in;
  File out;
  File err;

  [[nodiscard]] pid_t pid() const noexcept;  // -1: none
  // Waits for the end, once; later calls return the same. A call with a context kills the child when that ends, and
  // waits for its end all the same. Pipes stay open: what the child wrote can be read. Several fibers may wait.
  // Errors: what waitid(2) reports. Blocking: parks.
  ExitStatus wait(std::error_code& error);
  ExitStatus wait();
  ExitStatus wait(const Context& context, std::error_code& error);
  ExitStatus wait(const Context& context);
  // Sends a signal. Errors: std::errc::no_such_process if it has been waited for.
  void kill(int signal, std::error_code& error);
  void kill(int signal = SIGKILL);

 private:
  class Process;
  explicit Child(std::shared_ptr<Process> process) noexcept;
  void finish() noexcept;
  std::shared_ptr<Process> process_;
};

struct OutputOptions {
  std::string_view input = {};            // given to the child as its standard input; empty: what the command says
  std::size_t limit = std::size_t{64} << 20;  // bytes kept of each of out and err; the rest is read and dropped
  Context context = {};                   // kills the child when it ends
};

// What a child wrote, and how it ended.
struct Output {
  ExitStatus status;
  std::string out;
  std::string err;
  bool truncated = false;  // more than the limit was written
};

// Runs a command to its end and collects what it writes, both of it unless the command says otherwise for err (out is
// always a pipe; err is one if it is null()). A status other than 0 is no error. Errors: those of Child::start() and of
// reading. Blocking: parks until the child has ended and nobody has its pipes open any more, or the context ends.
[[nodiscard]] Output output(const Command& command, const OutputOptions& options, std::error_code& error);
[[nodiscard]] Output output(const Command& command, const OutputOptions& options = {});

}  // namespace creel
