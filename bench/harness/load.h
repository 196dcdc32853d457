// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The load generator (bench/load) as a child process: the same program, in a process of its own, for every server.
//
//   Load load({.mode = "echo", .port = port, .connections = 64, .requests = total});
//   load.start();                                  // the child connects; the server has to accept meanwhile
//   load.await_ready();                            // all connections are there and have been used once
//   run.measure(total, [&] { load.run(); });       // from here on the requests that count
//   load.finish();                                 // the child closes its connections and ends
//
// Every call but start() waits for the child and blocks the thread. Errors: std::runtime_error with what the child said.
// Thread safety: none.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace bench {

class Run;

struct LoadOptions {
  std::string mode;               // echo, accept
  std::uint16_t port = 0;         // on 127.0.0.1
  std::int64_t connections = 1;   // at the same time
  std::int64_t requests = 1;      // of all connections together
};

class Load {
 public:
  explicit Load(LoadOptions options) : options_(std::move(options)) {}
  // Ends the child if it still runs.
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void start();
  void await_ready();
  void run();
  void finish();

  // The child's output, readable whenever await_ready(), run() or finish() would go on. For servers that are one loop.
  [[nodiscard]] int file() const noexcept { return output_; }
  // run() in two: gives the signal; takes the result.
  void begin();
  void end();

  // The value of `run` becomes ns per request by the child's clock; "cpu_ns": the server's CPU time per request.
  void report(Run& run) const;

 private:
  [[nodiscard]] std::string line();

  LoadOptions options_;
  pid_t child_ = -1;
  int input_ = -1;   // the child's standard input
  int output_ = -1;  // the child's standard output
  std::int64_t wall_ns_ = 0;
};

}  // namespace bench
