// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The command line of an example: ends the program with 0 after --help, and with 2 and a message after what it does not
// take.

#pragma once

#include <charconv>
#include <cstdlib>
#include <limits>
#include <string_view>

#include <fmt/core.h>

class Arguments {
 public:
  // `usage`: the program's name and its arguments; from `least` to `most` of them.
  Arguments(int argc, char** argv, std::string_view usage, int least, int most)
      : usage_(usage), argc_(argc), argv_(argv) {
    for (int i = 1; i < argc; ++i) {
      if (text(i) == "--help" || text(i) == "-h") {
        fmt::print("Usage: {}\n", usage);
        std::exit(0);
      }
      if (text(i).starts_with("--")) refuse(fmt::format("unknown option \"{}\"", text(i)));
    }
    if (argc - 1 > most) refuse(fmt::format("unexpected argument \"{}\"", text(most + 1)));
    if (argc - 1 < least) refuse("an argument is missing");
  }
  // The argument of this number, from 1 on.
  [[nodiscard]] std::string_view text(int index, std::string_view otherwise = "") const {
    return index < argc_ ? argv_[index] : otherwise;
  }
  // The same as a number from `least` on.
  template <typename T = int>
  [[nodiscard]] T number(int index, std::string_view name, T otherwise, T least = 1) const {
    const std::string_view given = text(index);
    if (index >= argc_) return otherwise;
    T value = 0;
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
    if (error != std::errc() || end != given.data() + given.size() || value < least) {
      constexpr T kMost = std::numeric_limits<T>::max();
      refuse(fmt::format("{} is a whole number from {} to {}, not \"{}\"", name, least, kMost, given));
    }
    return value;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fmt::print(stderr, "{}: {}\nUsage: {}\n", usage_.substr(0, usage_.find(' ')), what, usage_);
    std::exit(2);
  }

  std::string_view usage_;
  int argc_;
  char** argv_;
};
