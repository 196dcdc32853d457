// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Ten fibers that only compute share one processor. Usage: preempt [ITERATIONS], default 1,000,000,000 each.
//
//   CREEL_TRACE=preempt.trace preempt && go tool trace preempt.trace
//
// In the trace: P0 is busy throughout, and its fibers take turns of about 10 ms, each slice ended by "preempted" at a
// checkpoint(). The task "sumTask" spans them all; each fiber's region covers its turns and the waits between.

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include <creel/creel.h>

int main(int argc, char** argv) {
  const std::string_view given = argc > 1 ? argv[1] : "1000000000";
  if (given == "--help") return fmt::print("Usage: preempt [ITERATIONS]\n"), 0;
  std::int64_t iterations = 0;
  if (std::from_chars(given.data(), given.data() + given.size(), iterations).ptr != given.data() + given.size()) {
    fmt::print(stderr, "preempt: ITERATIONS is a whole number, not \"{}\"\n", given);
    return 2;
  }
  creel::Options options;  // defaults, then CREEL_* environment variables, then these fields
  options.procs = 1;
  return creel::run(options, [iterations] {  // the lambda is fiber 1; run() returns when it returns
    creel::trace::Task task("sumTask");
    creel::WaitGroup wg;
    for (int i = 0; i < 10; ++i) {
      wg.go([&task, i, iterations] {  // add(1), spawn, done()
        const std::string name = fmt::format("region_{:02}", i);
        creel::trace::Region region(task, name);
        std::int64_t sum = 0;
        for (std::int64_t k = 0; k < iterations; ++k) {
          sum += k;
          creel::checkpoint();
        }
        fmt::print("{} {}\n", name, sum);
      });
    }
    wg.wait();
  });
}
