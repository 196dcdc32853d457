// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The concurrent prime sieve: a chain of fibers, each dropping the multiples of one prime. Usage: sieve [LIMIT], prints
// the primes below LIMIT, default 542.
//
// In the trace: one more fiber with each prime, all of them blocked on "chan receive" or "chan send" almost always; the
// numbers ripple down the chain, and at the end so does close().

#include <memory>
#include <optional>

#include <fmt/core.h>

#include <creel/creel.h>

#include "examples/arguments.h"

namespace {

using Numbers = std::shared_ptr<creel::Channel<int>>;

void generate(int limit, const Numbers& out) {
  for (int number = 2; number < limit; ++number) out->send(number);
  out->close();
}

void filter(const Numbers& in, const Numbers& out, int prime) {
  for (int number : *in) {
    if (number % prime != 0) out->send(number);
  }
  out->close();
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "sieve [LIMIT]", 0, 1);
  const int limit = arguments.number(1, "LIMIT", 542);
  return creel::run(creel::Options{}, [limit] {
    creel::WaitGroup wg;
    Numbers numbers = std::make_shared<creel::Channel<int>>();
    wg.go([numbers, limit] { generate(limit, numbers); });
    while (const std::optional<int> prime = numbers->recv()) {
      fmt::print("{}\n", *prime);
      Numbers rest = std::make_shared<creel::Channel<int>>();
      wg.go([numbers, rest, prime] { filter(numbers, rest, *prime); });
      numbers = rest;
    }
    wg.wait();
  });
}
