// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A small file read from start to end, again and again, by one fiber per P: each system call is a blocking section of its
// own, as in Go's os.ReadFile (open, fstat, read until the end, close).

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

#include <creel/creel.h>

#include "bench/harness/harness.h"

namespace {

constexpr std::size_t kBytes = 1024;

template <typename F>
auto checked(const char* what, F call) {
  const auto result = creel::blocking(call);
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

std::string read_file(const char* path) {
  const int file = checked("open", [&] { return ::open(path, O_RDONLY | O_CLOEXEC); });
  struct stat status {};
  checked("fstat", [&] { return ::fstat(file, &status); });
  std::string content(static_cast<std::size_t>(status.st_size) + 1, '\0');  // a byte more: the last read finds the end
  std::size_t length = 0;
  for (;;) {
    if (length == content.size()) content.resize(2 * length);
    const ssize_t got =
        checked("read", [&] { return ::read(file, content.data() + length, content.size() - length); });
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  checked("close", [&] { return ::close(file); });
  content.resize(length);
  return content;
}

// A file of kBytes that lives as long as the object.
class TemporaryFile {
 public:
  TemporaryFile() : path_(std::filesystem::temp_directory_path() / "creel-bench-XXXXXX") {
    const int file = ::mkstemp(path_.data());
    if (file < 0) throw std::system_error(errno, std::generic_category(), path_);
    const ssize_t written = ::write(file, std::string(kBytes, 'x').data(), kBytes);
    ::close(file);
    if (written != static_cast<ssize_t>(kBytes)) throw std::runtime_error("cannot write " + path_);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const char* path() const noexcept { return path_.c_str(); }

 private:
  std::string path_;
};

void read_files(bench::Run& run) {
  const auto fibers = static_cast<std::int64_t>(creel::procs());
  const std::int64_t total = run.count(200'000, fibers);
  const TemporaryFile file;
  run.measure(total, [&] {
    creel::WaitGroup wg;
    for (std::int64_t i = 0; i < fibers; ++i) {
      wg.add(1);
      creel::go([&] {
        for (std::int64_t k = 0; k < total / fibers; ++k) {
          if (read_file(file.path()).size() != kBytes) throw std::logic_error("the file has changed");
        }
        wg.done();
      });
    }
    wg.wait();
  });
}

const bench::Registration kReadFile{"read_file", "ns/file", &read_files};

}  // namespace
