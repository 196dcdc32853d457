// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "bench/harness/harness.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <system_error>

#include <fmt/core.h>

#include "bench/harness/backend.h"

namespace bench {
namespace {

std::vector<Benchmark>& registry() {
  static std::vector<Benchmark> benchmarks;
  return benchmarks;
}

struct Lack {
  std::string_view name;
  std::string_view reason;
};

std::vector<Lack>& lacks() {
  static std::vector<Lack> list;
  return list;
}

std::chrono::nanoseconds cpu_of_process() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) throw std::system_error(errno, std::generic_category(), "getrusage");
  const auto duration = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return duration(usage.ru_utime) + duration(usage.ru_stime);
}

// The peak of this program alone: ru_maxrss would also count what the process was before exec().
std::int64_t peak_resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  }
  throw std::runtime_error("/proc/self/status has no VmHWM");
}

struct Arguments {
  std::string bench;
  int procs = 1;
  std::string trace = "off";
  double scale = 1;
  std::int64_t size = 0;  // 0: the benchmark's own
  bool list = false;
  bool left_out = false;
};

template <typename T>
T parse_number(std::string_view flag, std::string_view text, T low, T high) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= low && value <= high)) {
    throw std::invalid_argument(
        fmt::format("{}: '{}' is not accepted: give a number from {} to {}", flag, text, low, high));
  }
  return value;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::size_t equals = argument.find('=');
    const std::string_view flag = argument.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? "" : argument.substr(equals + 1);
    if (flag == "--bench") {
      arguments.bench = value;
    } else if (flag == "--procs") {
      arguments.procs = parse_number(flag, value, 1, 1024);
    } else if (flag == "--trace") {
      arguments.trace = value;
    } else if (flag == "--scale") {
      arguments.scale = parse_number(flag, value, 1e-6, 1e3);
    } else if (flag == "--size") {
      arguments.size = parse_number<std::int64_t>(flag, value, 1, 10'000'000);
    } else if (argument == "--list") {
      arguments.list = true;
    } else if (argument == "--left-out") {
      arguments.left_out = true;
    } else {
      throw std::invalid_argument(fmt::format(
          "'{}' is not accepted: give --list, --left-out or --bench=NAME --procs=N --trace=off|FILE --scale=F --size=N",
          argument));
    }
  }
  return arguments;
}

const Benchmark& find(std::string_view name) {
  for (const Benchmark& benchmark : registry()) {
    if (benchmark.name == name) return benchmark;
  }
  for (const Lack& lack : lacks()) {
    if (lack.name == name) throw std::invalid_argument(fmt::format("--bench: {} is left out: {}", name, lack.reason));
  }
  throw std::invalid_argument(fmt::format("--bench: '{}' is not accepted: see --list", name));
}

void print(std::string_view side, const Benchmark& benchmark, const Arguments& arguments, const Run& run,
           const BackendResult& result) {
  const bool traced = arguments.trace != "off";
  std::string metrics;
  for (const auto& [name, value] : run.metrics()) {
    metrics += fmt::format("{}\"{}\":{:.6g}", metrics.empty() ? "" : ",", name, value);
  }
  fmt::print(
      "{{\"side\":\"{}\",\"bench\":\"{}\",\"procs\":{},\"size\":{},\"trace\":\"{}\",\"unit\":\"{}\",\"value\":{:.6g},\"ops\":{},"
      "\"wall_ms\":{:.6g},\"cpu_ms\":{:.6g},\"rss_kib\":{},\"events\":{},\"trace_bytes\":{},\"metrics\":{{{}}}}}\n",
      side, benchmark.name, arguments.procs, arguments.size, traced ? "on" : "off", benchmark.unit, run.value(), run.operations(),
      1e-6 * static_cast<double>(run.wall().count()), 1e-6 * static_cast<double>(run.cpu().count()),
      peak_resident_kib(), result.events, traced ? std::filesystem::file_size(arguments.trace) : 0, metrics);
}

}  // namespace

std::int64_t Run::count(std::int64_t full, std::int64_t unit) const {
  const auto units = static_cast<std::int64_t>(std::llround(static_cast<double>(full) * scale_)) / unit;
  return std::max<std::int64_t>(units, 1) * unit;
}

void Run::begin() {
  cpu_before_ = cpu_of_process();
  started_ = std::chrono::steady_clock::now();
}

void Run::end(std::int64_t operations) {
  wall_ = std::chrono::steady_clock::now() - started_;
  cpu_ = cpu_of_process() - cpu_before_;
  operations_ = operations;
  value_ = static_cast<double>(wall_.count()) / static_cast<double>(operations);
}

Registration::Registration(std::string_view name, std::string_view unit, void (*function)(Run&)) {
  registry().push_back({name, unit, function});
}

LeftOut::LeftOut(std::string_view name, std::string_view reason) { lacks().push_back({name, reason}); }

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  if (!(statm >> total >> resident)) throw std::runtime_error("cannot read /proc/self/statm");
  return resident * sysconf(_SC_PAGESIZE);
}

double percentile(std::vector<double> samples, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(samples.size())));
  const auto place = samples.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(samples.begin(), place, samples.end());
  return *place;
}

int main_of(std::string_view side, int argc, char** argv) {
  try {
    const Arguments arguments = parse(argc, argv);
    if (arguments.list) {
      std::vector<std::string_view> names;
      for (const Benchmark& benchmark : registry()) names.push_back(benchmark.name);
      std::sort(names.begin(), names.end());
      for (std::string_view name : names) fmt::print("{}\n", name);
      return 0;
    }
    if (arguments.left_out) {
      for (const Lack& lack : lacks()) fmt::print("{}: {}\n", lack.name, lack.reason);
      return 0;
    }
    const Benchmark& benchmark = find(arguments.bench);
    const bool traced = arguments.trace != "off";
    if (traced && !backend_traces()) throw std::invalid_argument(fmt::format("--trace: {} cannot trace", side));
    Run run(arguments.scale, arguments.size);
    const BackendResult result =
        run_backend({.procs = arguments.procs, .trace = traced ? arguments.trace : std::string()},
                    [&] { benchmark.function(run); });
    print(side, benchmark, arguments, run, result);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_{}: {}\n", side, error.what());
    return 1;
  }
}

}  // namespace bench
