// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The benchmarks' backend on creel.

#include "bench/harness/backend.h"

#include <exception>
#include <stdexcept>
#include <system_error>

#include <creel/creel.h>
#include <creel/tracer/recorder.h>
#include <fmt/core.h>

#include "bench/harness/harness.h"

namespace bench {

bool backend_traces() noexcept {
#ifdef CREEL_TRACER_OFF
  return false;
#else
  return true;
#endif
}

BackendResult run_backend(const BackendOptions& options, const std::function<void()>& body) {
  creel::Options runtime_options;
  runtime_options.procs = static_cast<std::uint32_t>(options.procs);
  std::exception_ptr error;
  const int status = creel::run(runtime_options, [&] {
    try {
      creel::trace::Session session;
      if (!options.trace.empty()) session = creel::trace::start(options.trace);
      body();
      if (const std::error_code failed = session.stop())
        throw std::system_error(failed, "cannot write " + options.trace);
    } catch (...) {
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
  if (status != 0) throw std::runtime_error(fmt::format("the runtime ended with status {}", status));
  BackendResult result;
  if (!options.trace.empty()) result.events = creel::tracer::recorder_stats().events;
  return result;
}

}  // namespace bench

int main(int argc, char** argv) { return bench::main_of("creel", argc, argv); }
