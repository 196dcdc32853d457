// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// output(): a command from start to end.

#include <algorithm>
#include <array>
#include <cerrno>

#include "creel/net/cancellable.h"
#include "creel/os/process.h"
#include "creel/sync/wait_group.h"

namespace creel {
namespace {

// Reads `file` to its end; keeps up to `limit` bytes. True: there was more.
bool collect(File& file, std::size_t limit, const Context& context, std::string& text, std::error_code& error) {
  std::array<char, 4096> room;
  bool more = false;
  while (const std::size_t got = file.read_some(room, context, error)) {
    const std::size_t kept = std::min(got, limit - text.size());
    text.append(room.data(), kept);
    more = more || kept < got;
  }
  std::error_code ignored;  // the first one counts
  if (error) file.close(ignored);  // else who writes there might wait for ever
  return more;
}

}  // namespace

Output output(const Command& command, const OutputOptions& options, std::error_code& error) {
  Command run = command;
  if (!options.input.empty()) run.in = Stdio::pipe();
  run.out = Stdio::pipe();
  if (run.err.is_null()) run.err = Stdio::pipe();
  Output result;
  Child child = Child::start(run, error);
  if (error) return result;
  std::array<std::error_code, 3> errors;
  std::array<bool, 2> more{};
  WaitGroup group;
  try {
    if (child.in.is_open()) {
      group.go([&] {
        child.in.write_all(options.input, options.context, errors[0]);
        if (errors[0] == std::errc::broken_pipe) errors[0].clear();  // it does not want all of it
        std::error_code ignored;                                     // a pipe's close has none to tell
        child.in.close(ignored);
      });
    }
    if (child.err.is_open()) {
      group.go([&] { more[1] = collect(child.err, options.limit, options.context, result.err, errors[2]); });
    }
    more[0] = collect(child.out, options.limit, options.context, result.out, errors[1]);
  } catch (...) {  // out of memory: the fibers use what lies here
    std::error_code gone;
    child.kill(SIGKILL, gone);
    group.wait();
    throw;
  }
  group.wait();
  result.truncated = more[0] || more[1];
  result.status = child.wait(options.context, error);
  for (const std::error_code& other : errors) {
    if (!error) error = other;
  }
  if (!error && result.status.signal == SIGKILL && options.context.ended()) {
    error = net::detail::to_error_code(net::detail::error_of(*options.context.canceller()));
  }
  return result;
}

Output output(const Command& command, const OutputOptions& options) {
  std::error_code error;
  Output result = output(command, options, error);
  if (error) {
    const std::string name = command.argv.empty() ? std::string() : "\"" + command.argv[0] + "\"";
    throw std::system_error(error, "creel::output(" + name + ")");
  }
  return result;
}

}  // namespace creel
