// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Go's "all goroutines are asleep": nothing can ever run again.

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>

#include "creel/sched/base/check.h"
#include "creel/sched/dump.h"
#include "creel/sched/outside.h"
#include "creel/sched/scheduler.h"
#include "creel/tracer/recorder.h"

namespace creel::sched {
namespace {

bool is_writable(int fd) noexcept {
  pollfd asked{fd, POLLOUT, 0};
  return poll(&asked, 1, 0) == 1 && (asked.revents & POLLOUT) != 0;
}

// What the program has printed comes before the report; but a fiber that is stuck in a write to stdout keeps its lock, and
// nobody may be reading what it is led to. Then it is lost, as by any signal.
void flush_stdout() noexcept {
  if (ftrylockfile(stdout) != 0) return;
  if (is_writable(STDOUT_FILENO)) std::fflush(stdout);
  funlockfile(stdout);
}

}  // namespace

// Called under s.lock by a worker that is about to park, and where a thread outside goes (outside.cc). All workers parked means:
// none runs, looks for work, waits in the poller (for a timer or the network) or sits in a blocking section, as an attached
// thread does between its calls.
void check_deadlock(Scheduler& s) {
  if (s.idle_worker_count < s.live_workers || s.stopping.load(std::memory_order_relaxed)) return;
  if (threads_expected() != 0 || s.wakes_coming.load(std::memory_order_relaxed) != 0) return;
  // A worker that is being started is not idle; work submitted before that counts too.
  if (s.poller->has_waiters() || s.global_queue.size() > 0) return;
  const std::uint32_t made = s.made_procs.load(std::memory_order_acquire);
  for (std::uint32_t id = 0; id < made; ++id) {
    const Processor* p = s.proc(id);
    if (!p->queue.empty() || p->runnext.load(std::memory_order_relaxed) != nullptr) return;
    if (p->timers.next_when() != TimerHeap::kNever) return;
  }
  end_with_dump(s, "fatal error: all fibers are asleep - deadlock!", dump_parked_fibers);
}

void write_stderr(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    pollfd asked{STDERR_FILENO, POLLOUT, 0};
    if (errno == EAGAIN) poll(&asked, 1, -1);
    else if (errno != EINTR) return;
  }
}

void end_with_dump(Scheduler& s, const char* headline, std::string (*dump)(Scheduler&)) {
  if (s.reporting.exchange(true, std::memory_order_relaxed)) return;
  begin_fatal_end();
  flush_stdout();
  write_stderr(std::string("creel: ") + headline + "\n" + fuzz_note() + "\n" + dump(s));
  if (const std::error_code error = tracer::stop_recording()) {
    write_stderr("creel: the trace is incomplete: " + error.message() + "\n");
  }
  std::_Exit(2);
}

}  // namespace creel::sched
