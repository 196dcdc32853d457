// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/support/go_trace.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace creel::test {

namespace {

// Folder shared by the test processes of one user: $CREEL_TEST_CACHE (set by CTest to a place in the build tree).
std::filesystem::path cache_directory() {
  const char* given = std::getenv("CREEL_TEST_CACHE");
#if defined(CREEL_TEST_CACHE_DIR)
  if (given == nullptr) given = CREEL_TEST_CACHE_DIR;
#endif
  std::filesystem::path path =
      given != nullptr ? std::filesystem::path(given)
                       : std::filesystem::temp_directory_path() / ("creel-test-cache-" + std::to_string(::getuid()));
  std::filesystem::create_directories(path);
  return path;
}

class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path) : fd_(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), path.string());
    while (::flock(fd_, LOCK_EX) != 0) {
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), path.string());
    }
  }
  ~FileLock() { ::close(fd_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

struct Found {
  std::optional<std::string> path;
  std::string reason;
};

Found search_go() {
  const CommandResult version = run_command({"go", "env", "GOVERSION"});
  if (version.exit_status != 0) return {std::nullopt, "no `go` on the PATH"};
  int major = 0;
  int minor = 0;
  if (std::sscanf(version.stdout_text.c_str(), "go%d.%d", &major, &minor) != 2 || major != 1 || minor < 23) {
    return {std::nullopt, "`go` is " + trimmed(version.stdout_text) + ", at least go1.23 is needed"};
  }
  return {"go", ""};
}

const Found& found_go() {
  static const Found kFound = search_go();
  return kFound;
}

Found search_go_trace() {
  if (const char* given = std::getenv("CREEL_GO_TRACE"); given != nullptr && *given != '\0') {
    if (::access(given, X_OK) == 0) return {given, ""};
    return {std::nullopt, std::string("CREEL_GO_TRACE=") + given + " is not an executable file"};
  }
  if (!found_go().path) return found_go();
  const std::string version = trimmed(run_command({"go", "env", "GOVERSION"}).stdout_text);
  const std::filesystem::path cache = cache_directory();
  const std::filesystem::path reader = cache / ("trace-" + version);
  FileLock lock(cache / "lock");
  if (::access(reader.c_str(), X_OK) == 0) return {reader.string(), ""};
  const std::filesystem::path partial = cache / ("trace-" + version + ".partial");
  const CommandResult build = run_command({"go", "build", "-o", partial.string(), "cmd/trace"}, {"GOFLAGS="}, cache);
  if (build.exit_status != 0) return {std::nullopt, "`go build cmd/trace` failed: " + trimmed(build.stderr_text)};
  std::filesystem::rename(partial, reader);
  return {reader.string(), ""};
}

const Found& found_go_trace() {
  static const Found kFound = search_go_trace();
  return kFound;
}

// Hands over complete lines as they come, without keeping what was handed over.
class LineSplitter {
 public:
  explicit LineSplitter(const std::function<void(std::string_view)>& on_line) : on_line_(on_line) {}
  void add(std::string_view chunk) {
    std::size_t begin = 0;
    for (std::size_t end; (end = chunk.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
      if (rest_.empty()) {
        on_line_(chunk.substr(begin, end - begin));
      } else {
        rest_.append(chunk.substr(begin, end - begin));
        on_line_(rest_);
        rest_.clear();
      }
    }
    rest_.append(chunk.substr(begin));
  }
  void finish() {
    if (!rest_.empty()) on_line_(rest_);
  }

 private:
  const std::function<void(std::string_view)>& on_line_;
  std::string rest_;
};

[[noreturn]] void throw_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

CommandResult run_command(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                          const std::string& directory, const std::function<void(std::string_view)>& on_line) {
  // Everything the child needs is made before fork(): between fork and exec a threaded process may not allocate.
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name = std::string_view(*entry).substr(0, std::string_view(*entry).find('='));
    bool replaced = false;
    for (const std::string& added : environment) replaced |= std::string_view(added).substr(0, added.find('=')) == name;
    if (!replaced) variables.push_back(*entry);
  }
  for (const std::string& added : environment) variables.push_back(const_cast<char*>(added.c_str()));
  variables.push_back(nullptr);

  std::array<int, 2> out{};
  std::array<int, 2> err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0) throw_errno("pipe2");
  const pid_t child = ::fork();
  if (child < 0) throw_errno("fork");
  if (child == 0) {
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    if (directory.empty() || ::chdir(directory.c_str()) == 0) {
      environ = variables.data();
      ::execvp(arguments[0], arguments.data());
    }
    const char* text = std::strerror(errno);
    if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) ::_exit(126);
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(err[1]);

  CommandResult result;
  LineSplitter lines(on_line);
  std::vector<char> chunk(std::size_t{1} << 18);
  std::array<pollfd, 2> polled{{{out[0], POLLIN, 0}, {err[0], POLLIN, 0}}};
  for (int open = 2; open > 0;) {
    if (::poll(polled.data(), polled.size(), -1) < 0) {
      if (errno == EINTR) continue;
      throw_errno("poll");
    }
    for (pollfd& fd : polled) {
      if (fd.fd < 0 || fd.revents == 0) continue;
      const ssize_t n = ::read(fd.fd, chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        ::close(fd.fd);
        fd.fd = -1;
        --open;
      } else if (&fd == &polled[1]) {
        result.stderr_text.append(chunk.data(), static_cast<std::size_t>(n));
      } else if (on_line) {
        lines.add({chunk.data(), static_cast<std::size_t>(n)});
      } else {
        result.stdout_text.append(chunk.data(), static_cast<std::size_t>(n));
      }
    }
  }
  if (on_line) lines.finish();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw_errno("waitpid");
  }
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::optional<std::string> find_go_trace() { return found_go_trace().path; }

const std::string& go_trace_missing_reason() { return found_go_trace().reason; }

std::optional<std::string> find_go() { return found_go().path; }

std::string build_go_program(const std::string& source_directory) {
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a, over names and contents
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  };
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  add(run_command({"go", "env", "GOVERSION"}).stdout_text);
  for (const std::filesystem::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    add(file.filename().string());
    add(std::string(std::istreambuf_iterator<char>(in), {}));
  }
  const std::filesystem::path cache = cache_directory();
  const std::filesystem::path program = cache / ("program-" + std::to_string(hash));
  FileLock lock(cache / "lock");
  if (::access(program.c_str(), X_OK) == 0) return program.string();
  const std::string partial = program.string() + ".partial";
  const CommandResult build = run_command({"go", "build", "-o", partial, "."}, {"GOFLAGS="}, source_directory);
  if (build.exit_status != 0) throw std::runtime_error("go build " + source_directory + ": " + build.stderr_text);
  std::filesystem::rename(partial, program);
  return program.string();
}

std::string test_directory() {
  const testing::TestInfo* info = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = info == nullptr ? "none" : std::string(info->test_suite_name()) + "." + info->name();
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  const char* given = std::getenv("CREEL_TEST_DIR");
  const std::filesystem::path base = given != nullptr ? std::filesystem::path(given) : cache_directory() / "files";
  std::filesystem::create_directories(base / name);
  return (base / name).string();
}

ParsedTrace parse_trace(const std::string& path) {
  ParsedTrace parsed;
  if (!find_go_trace()) {
    parsed.stderr_text = go_trace_missing_reason();
    return parsed;
  }
  const std::function<void(std::string_view)> keep = [&](std::string_view line) { parsed.lines.emplace_back(line); };
  CommandResult result = run_command({*find_go_trace(), "-d=parsed", path}, {}, {}, keep);
  parsed.exit_status = result.exit_status;
  parsed.stderr_text = std::move(result.stderr_text);
  return parsed;
}

testing::AssertionResult trace_accepted(const std::string& path, std::size_t min_events) {
  std::size_t events = 0;
  std::string last;
  const std::function<void(std::string_view)> count = [&](std::string_view line) {
    if (!line.starts_with("M=")) return;
    ++events;
    last = line;
  };
  const CommandResult result = run_command({find_go_trace().value(), "-d=parsed", path}, {}, {}, count);
  if (result.exit_status != 0 || !result.stderr_text.empty()) {
    return testing::AssertionFailure() << path << ": rejected by Go's reader (exit status " << result.exit_status
                                       << ") after " << events << " events: " << trimmed(result.stderr_text)
                                       << "\nlast event: " << last;
  }
  if (events < min_events) {
    return testing::AssertionFailure() << path << ": " << events << " events, at least " << min_events << " expected";
  }
  return testing::AssertionSuccess() << path << ": " << events << " events";
}

}  // namespace creel::test
