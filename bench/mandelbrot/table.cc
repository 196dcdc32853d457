// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "bench/mandelbrot/table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <fmt/core.h>

namespace mandelbrot {
namespace {

constexpr std::size_t kColumns = 9;
using Row = std::array<std::string, kColumns>;

// Wall times in seconds. cpu/P: CPU time of the process by wall time and number of P, the busy share of a P.
constexpr std::array<std::string_view, kColumns> kTitles = {"variant", "wall_s",      "speedup",  "cpu/P", "fibers",
                                                            "events",  "trace_bytes", "traced_s", "on/off"};

std::vector<Row> rows(const std::vector<Result>& results, const std::string& none) {
  const auto seq = std::find_if(results.begin(), results.end(),
                                [](const Result& result) { return result.variant == Variant::kSeq; });
  std::vector<Row> rows;
  for (const Result& result : results) {
    Row row;
    row[0] = name(result.variant);
    row[1] = fmt::format("{:.3f}", result.seconds);
    row[2] = seq == results.end() ? none : fmt::format("{:.2f}", seq->seconds / result.seconds);
    row[3] = fmt::format("{:.2f}", result.cpu_share);
    row[4] = fmt::format("{}", result.fibers);
    std::fill(row.begin() + 5, row.end(), none);
    if (result.traced) {
      row[5] = fmt::format("{}", result.traced->events);
      row[6] = fmt::format("{}", result.traced->bytes);
      row[7] = fmt::format("{:.3f}", result.traced->seconds);
      row[8] = fmt::format("{:.2f}", result.traced->seconds / result.seconds);
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

std::string format_table(const std::vector<Result>& results) {
  std::vector<Row> lines = rows(results, "-");
  Row titles;
  std::copy(kTitles.begin(), kTitles.end(), titles.begin());
  lines.insert(lines.begin(), titles);
  std::string text;
  for (const Row& line : lines) {
    for (std::size_t column = 0; column < kColumns; ++column) {
      std::size_t width = 0;
      for (const Row& other : lines) width = std::max(width, other[column].size());
      text += column == 0 ? fmt::format("{:<{}}", line[column], width) : fmt::format("  {:>{}}", line[column], width);
    }
    text += '\n';
  }
  return text;
}

std::string format_csv(const std::vector<Result>& results) {
  std::string text;
  const auto append = [&text](const auto& line) {
    for (std::size_t column = 0; column < kColumns; ++column) {
      if (column > 0) text += ',';
      text += line[column];
    }
    text += '\n';
  };
  append(kTitles);
  for (const Row& row : rows(results, "")) append(row);
  return text;
}

}  // namespace mandelbrot
