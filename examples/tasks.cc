// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Two fibers hand a file to one another in regions of one task, with logs and a nested task. Usage: tasks [FILE].
//
// In the trace ("User-defined tasks", "User-defined regions"): the task "main start" spans both fibers; inside it are
// the regions "writing file" and "reading file", the nested task "check" with its own region, and three log lines.
// The calls under blocking() show as syscalls: while one lasts, its processor may run another fiber.

#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fmt/core.h>

#include <creel/creel.h>

#include "examples/arguments.h"

namespace {

constexpr std::size_t kBytes = 1 << 20;

bool write_file(const std::string& path, const std::string& text) {
  return creel::blocking([&] {
    std::ofstream file(path, std::ios::binary);
    file << text;
    return static_cast<bool>(file.flush());
  });
}

std::string read_file(const std::string& path) {
  return creel::blocking([&] {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  });
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "tasks [FILE]", 0, 1);
  const std::filesystem::path own = std::filesystem::temp_directory_path() / fmt::format("creel_tasks_{}", getpid());
  const std::string path(arguments.text(1, own.native()));
  bool equal = false;
  const int status = creel::run(creel::Options{}, [&] {
    creel::trace::Task task("main start");
    const std::string text(kBytes, 'c');
    creel::Channel<std::size_t> written;  // the writer tells the reader how much there is to read
    creel::WaitGroup wg;
    wg.go([&] {
      creel::trace::Region region(task, "writing file");
      creel::trace::log(task, "I/O", "write " + path);
      if (write_file(path, text)) written.send(text.size());
      written.close();
    });
    wg.go([&] {
      creel::trace::Region region(task, "reading file");
      if (!written.recv()) return;  // closed without a value: the writer failed
      creel::trace::log(task, "I/O", "read " + path);
      const std::string back = read_file(path);
      creel::trace::Task check(task, "check");
      creel::trace::with_region(check, "comparing", [&] { equal = back == text; });
      creel::trace::log(check, "result", equal ? "equal" : "different");
    });
    wg.wait();
  });
  if (argc <= 1) std::filesystem::remove(path);
  fmt::print("{}: {} bytes written and read back {}\n", path, kBytes, equal ? "equal" : "DIFFERENT");
  return status != 0 ? status : (equal ? 0 : 1);
}
