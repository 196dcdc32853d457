// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// What a program did, by its trace, in a text that is equal for equal behaviour: ids, times, threads and stacks are
// gone.
//
// A window is the part of a trace between the log events "begin" and "end" of one goroutine, called main. The
// goroutines it starts inside, and theirs, are called main/1, main/2, main/2/1 in the order of creation. Everything
// else in the trace (the runtime's own goroutines, the tracer's) is left out.
//
//   schedule: main/1 main                  who was put on a processor, in this order
//   main/1:
//     NotExist->Runnable by main           a transition; "by" when another goroutine made it, or nobody (a timer)
//     Running->Waiting "chan receive"
//     log task1 "category" "message"       annotations, tasks numbered by their first use
//
// Thread safety: one Normaliser, one thread.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/trace_event.h"

namespace creel::test {

struct Window {
  std::string name;         // message of its "begin"
  std::string text;         // the normalised course
  int preemptions = 0;      // stops with reason "preempted"
  int lost_processors = 0;  // syscalls whose processor was taken away
  bool complete = false;    // its "end" was seen
};

struct NormaliserOptions {
  // Repeats of stop "preempted" and start become one line: how often a loop is preempted depends on the machine.
  bool collapse_preemptions = false;
  // The schedule, and who woke whom, are left out: what several goroutines do after they became runnable together.
  bool leave_out_order = false;
  // So are system calls that keep their processor: one side may need more of them for the same.
  bool leave_out_syscalls = false;
};

class Normaliser {
 public:
  explicit Normaliser(NormaliserOptions options = {}) : options_(options) {}

  // Feed every event of the trace, in order.
  void event(const Event& event);
  // The windows seen, in order.
  [[nodiscard]] std::vector<Window> take();

 private:
  struct Goroutine {
    std::string name;
    int children = 0;
    std::vector<std::string> lines;
  };

  void begin(const Event& event);
  void end();
  void transition(const Event& event);
  void annotation(const Event& event);
  Goroutine* find(std::int64_t id);
  void add(Goroutine& goroutine, std::string line);
  std::string task(std::int64_t id);

  NormaliserOptions options_;
  std::vector<Window> windows_;
  bool open_ = false;
  std::int64_t main_ = -1;
  std::map<std::int64_t, Goroutine> goroutines_;
  std::map<std::int64_t, int> tasks_;
  std::string schedule_;
};

// A readable difference of two texts, line by line: " " both, "-" only expected, "+" only actual.
std::string diff(std::string_view expected, std::string_view actual);

}  // namespace creel::test
