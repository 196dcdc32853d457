// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "bench/mandelbrot/options.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

namespace mandelbrot {
namespace {

constexpr int kMaxSize = 16384;
constexpr int kMaxWorkers = 100'000;
constexpr int kMaxProcs = 1024;
constexpr int kMaxRepeat = 1000;

std::string variant_names() {
  std::string names;
  for (Variant variant : all_variants()) names += std::string(name(variant)) + ", ";
  return names + "all";
}

// A CLI11 check: whole numbers from 1 to `max`. The parser prefixes the flag.
CLI::Validator whole_number(int max) {
  return CLI::Validator(
      [max](std::string& text) {
        int value = 0;
        if (CLI::detail::lexical_cast(text, value) && value >= 1 && value <= max) return std::string();
        return fmt::format("'{}' is not accepted: give a whole number from 1 to {}", text, max);
      },
      fmt::format("1..{}", max));
}

CLI::Validator known_variant() {
  return CLI::Validator(
      [](std::string& text) {
        if (text == "all" || find_variant(text)) return std::string();
        return fmt::format("'{}' is not accepted: give one of {}", text, variant_names());
      },
      "NAME");
}

}  // namespace

ParseResult parse_options(int argc, char** argv) {
  Options options;
  std::string variant = "all";
  CLI::App app("Computes a Mandelbrot picture in several ways on creel's fibers, and compares them.", "mandelbrot");
  app.add_option("--variant", variant, "Which experiment: " + variant_names())->check(known_variant());
  app.add_option("--size", options.size, "Width and height in pixels (default 2048)")->check(whole_number(kMaxSize));
  app.add_option("--workers", options.workers, "Fibers of the worker variants (default 8)")
      ->check(whole_number(kMaxWorkers));
  app.add_option("--procs", options.procs, "Processors (P) to run on (default: CREEL_PROCS, else the CPUs)")
      ->check(whole_number(kMaxProcs));
  app.add_option("--out", options.out, "Write DIR/VARIANT.png")->type_name("DIR");
  app.add_option("--trace-dir", options.trace_dir, "Run each variant a second time with tracing, to DIR/VARIANT.trace")
      ->type_name("DIR");
  app.add_option("--repeat", options.repeat, "Runs of each kind; the median counts (default 1)")
      ->check(whole_number(kMaxRepeat));
  app.add_flag("--csv", options.csv, "Print comma-separated values instead of a table");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error)};
  }
  if (variant == "all") {
    options.variants.assign(all_variants().begin(), all_variants().end());
  } else {
    options.variants.push_back(*find_variant(variant));
  }
  return {options, 0};
}

}  // namespace mandelbrot
