// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/runtime/run.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include "creel/net/epoll_poller.h"
#include "creel/os/signal.h"
#include "creel/runtime/environment.h"
#include "creel/runtime/fatal.h"
#include "creel/runtime/quit_signal.h"
#include "creel/sched/base/check.h"
#include "creel/sched/base/log.h"
#include "creel/sched/blocking.h"
#include "creel/sched/scheduler.h"
#include "creel/sched/trace_status.h"
#include "creel/tracer/recorder.h"
#include "creel/tracer/trace.h"

namespace creel::detail {
namespace {

std::atomic<bool> active{false};  // one runtime at a time; acq_rel: the last one's end happened before the next's start

struct Active {
  Active() {
    if (active.exchange(true, std::memory_order_acq_rel)) {
      sched::misuse("creel::run() while a runtime is running: there is one per process at a time");
    }
  }
  ~Active() { active.store(false, std::memory_order_release); }
};

// Result of the main fiber, read by run_main() after the workers have ended or the main fiber has parked for good.
struct MainResult {
  int status = 0;
  std::exception_ptr error;
};

void report(const std::string& text) { std::fprintf(stderr, "creel: %s\n", text.c_str()); }

}  // namespace

int run_main(const Options& options, std::function<int()> main, tracer::StartCallable callable,
             std::source_location site) {
  Active guard;
  runtime::Settings settings;
  std::string problem;
  if (!runtime::resolve(options, settings, problem)) {
    report(problem);
    return 1;
  }
  // A process that leaves by exit() inside run() keeps its trace, too.
  [[maybe_unused]] static const int at_exit = std::atexit([] { tracer::save_recording_at_end(); });
  tracer::set_blocking_hooks(sched::enter_blocking_of_runtime, sched::leave_blocking);
  tracer::set_error_handler([](const std::string& message) { sched::log_error(message); });
  trace::Session session;
  if (!settings.trace.empty()) {
    try {
      session = trace::start(settings.trace);
    } catch (const std::system_error& error) {
      report(std::string("cannot trace: ") + error.what());
      return 1;
    }
  }

  runtime::FatalHandlers fatal;
  const runtime::QuitSignal quit(options.dump_on_sigquit);
  MainResult result;
  auto body = [&main, &result, &session, &settings] {
    try {
      result.status = main();
    } catch (...) {
      result.error = std::current_exception();
    }
    if (const std::error_code error = session.stop()) {
      const bool late = error == std::errc::timed_out;
      report("the trace " + settings.trace + " is incomplete: " +
             (late ? "it could not be written within 10 s after the end" : error.message()));
    }
    sched::finish_main();
  };
  auto scheduler = std::make_unique<sched::Scheduler>(settings.config, std::make_unique<net::EpollPoller>());
  sched::SchedulerStatus status(*scheduler);
  sched::Fiber* fiber = scheduler->fiber_pool.allocate_one();
  using Body = decltype(body);
  sched::Closure<Body*>::make(fiber->closure, &body);
  fiber->entry = [](void* room) { (**static_cast<Body**>(room))(); };
  sched::run_scheduler(std::move(scheduler), {fiber, callable, site}, status);
  os::end_signals();
  if (result.error != nullptr) std::rethrow_exception(result.error);
  return result.status;
}

}  // namespace creel::detail
