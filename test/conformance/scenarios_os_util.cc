// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Pipes: reads that wait, an echo, a deadline; and a regular file.

#include <creel/creel.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "test/conformance/scenarios_util.h"

namespace creel::test {
namespace {

using namespace std::chrono_literals;

// Two pipes and a file, made before the first round.
struct Files {
  Pipe there;
  Pipe back;
  File file;
};

Files files;

void make_files() {
  files.there = Pipe::open();
  files.back = Pipe::open();
  const std::string path =
      (std::filesystem::temp_directory_path() / ("creel-conformance-" + std::to_string(::getpid()))).string();
  files.file = File::create(path);
  std::filesystem::remove(path);
}

std::size_t read(File& file, std::array<char, 8>& room) {
  std::error_code ended;  // by a deadline
  return file.read_some(room, ended);
}

void pipe_read() {
  WaitGroup wg;
  wg.go([] {
    std::array<char, 8> room;
    read(files.there.reader, room);
  });
  yield();
  files.there.writer.write_all("x");
  wg.wait();
}

void pipe_echo() {
  WaitGroup wg;
  wg.go([] {
    std::array<char, 8> room;
    for (int i = 0; i < 3; ++i) {
      const std::size_t got = read(files.there.reader, room);
      files.back.writer.write_all(std::string_view(room.data(), got));
    }
  });
  std::array<char, 8> room;
  for (int i = 0; i < 3; ++i) {
    files.there.writer.write_all("x");
    read(files.back.reader, room);
  }
  wg.wait();
}

void pipe_deadline() {
  files.back.reader.set_read_deadline(2ms);
  std::array<char, 8> room;
  read(files.back.reader, room);
  files.back.reader.set_read_deadline(net::Deadline::never());
}

void file_write_read() {
  std::array<char, 8> room;
  files.file.write_at("abcdefgh", 0);
  files.file.read_at(room, 0);
  files.file.seek(4);
  read(files.file, room);
  read(files.file, room);
}

constexpr Scenario kScenarios[] = {
    {.name = "pipe_read", .run = pipe_read, .prepare = make_files},
    {.name = "pipe_echo", .run = pipe_echo, .prepare = make_files},
    {.name = "pipe_deadline", .run = pipe_deadline, .prepare = make_files},
    {.name = "file_write_read", .run = file_write_read, .prepare = make_files},
};

}  // namespace

std::span<const Scenario> os_scenarios() { return kScenarios; }

}  // namespace creel::test
