// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/runtime/fatal.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <unwind.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

#include "creel/sched/base/check.h"
#include "creel/sched/dump.h"
#include "creel/sched/fuzz.h"
#include "creel/sched/late_names.h"
#include "creel/sched/overflow.h"
#include "creel/sched/preempt.h"
#include "creel/sched/worker.h"
#include "creel/tracer/frame_name.h"
#include "creel/tracer/frames.h"
#include "creel/tracer/recorder.h"
#include "creel/tracer/stack_walk.h"

namespace creel::runtime {
namespace {

bool look_up(std::uint64_t id, sched::OverflowInfo& info) noexcept {
  // The overflowing fiber is the one this thread runs.
  const sched::Worker* worker = sched::this_worker();
  if (worker == nullptr || worker->fiber == nullptr || worker->fiber->id != id) return false;
  const sched::Fiber& fiber = *worker->running();
  info.name = fiber.name;
  info.file = fiber.site.file_name();
  info.line = fiber.site.line();
  info.creator = fiber.creator;
  return true;
}

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                         std::free);
  return name != nullptr ? name.get() : type.name();
}

std::string message_of(const std::exception_ptr& error) {
  const std::type_info* type = abi::__cxa_current_exception_type();
  const std::string name = type == nullptr ? "of unknown type" : type_name(*type);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return name + ": " + e.what();
  } catch (...) {  // any type may be thrown; its name is all there is to say
    return name;
  }
}

// Where the shared object lies that address belongs to; null if unknown.
const void* module_of(std::uintptr_t address) {
  Dl_info info;
  return dladdr(reinterpret_cast<const void*>(address), &info) != 0 ? info.dli_fbase : nullptr;
}

// Collects what lies below the C++ library's own frames (terminate, throw), which have no names to show.
struct Unwinding {
  tracer::StackKey key;
  bool below_library = false;
};

_Unwind_Reason_Code add_frame(_Unwind_Context* context, void* arg) {
  auto& unwinding = *static_cast<Unwinding*>(arg);
  tracer::StackKey& key = unwinding.key;
  const auto address = static_cast<std::uintptr_t>(_Unwind_GetIP(context));
  if (address == 0 || key.size == std::size(key.words)) return _URC_END_OF_STACK;
  static const void* const library = module_of(reinterpret_cast<std::uintptr_t>(&std::terminate));
  static const void* const own = module_of(reinterpret_cast<std::uintptr_t>(&add_frame));
  const void* module = module_of(address);
  if (module == library && module != own) {
    unwinding.below_library = true;
    return _URC_NO_REASON;
  }
  if (!unwinding.below_library && library != own) return _URC_NO_REASON;  // the handler itself
  key.words[key.size++] = address;
  return _URC_NO_REASON;
}

std::terminate_handler outer = nullptr;  // the handler from before; set before any fiber runs

// Nobody catches on a fiber's stack, so this runs on top of the frames of the throw.
[[noreturn]] void on_terminate() {
  const sched::Fiber* self = nullptr;
  if (const sched::Worker* worker = sched::this_worker()) self = worker->running();
  if (self == nullptr) {
    if (outer != nullptr) outer();
    std::abort();
  }
  sched::begin_fatal_end();
  const sched::NoPreempt hold;  // what() may have safe points; after the end of main() a fiber does not come back from one
  std::string text = "creel: fatal error: ";
  const std::exception_ptr error = std::current_exception();
  text += error != nullptr ? "uncaught exception " + message_of(error) : std::string("std::terminate() was called");
  text += std::string("\n") + sched::fuzz_note();
  std::fwrite(text.data(), 1, text.size(), stderr);  // at once: the names of the frames may take a while
  std::fflush(stderr);
  text = "\nfiber " + std::to_string(self->id);
  if (self->name != nullptr) text += std::string(" \"") + self->name + "\"";
  text += " [running]:\n";
  Unwinding unwinding;
  tracer::start_stack(*self, unwinding.key);
  _Unwind_Backtrace(add_frame, &unwinding);
  std::vector<const tracer::LogicalFrame*> frames;
  tracer::frame_table().resolve(unwinding.key.span(), frames);
  for (const tracer::LogicalFrame* frame : frames) {
    text += "    " + *frame->function + "\n        " + *frame->file + ":" + std::to_string(frame->line) + "\n";
  }
  text += "    " + sched::creation_of(*self) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  std::fflush(stdout);
  tracer::save_recording_at_end();
  std::abort();
}

}  // namespace

FatalHandlers::FatalHandlers() : previous_(std::set_terminate(on_terminate)) {
  outer = previous_;
  sched::install_overflow_handler(look_up, sched::write_names);
}

FatalHandlers::~FatalHandlers() {
  sched::uninstall_overflow_handler();
  std::set_terminate(previous_);
}

}  // namespace creel::runtime
