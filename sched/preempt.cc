// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/preempt.h"

#include "creel/sched/scheduler.h"

namespace creel::sched {

std::atomic<std::uint32_t> g_attention{0};

bool raise_attention(Processor& proc) noexcept {
  // Release pairs with the acquire in clear_attention(): who clears it sees why it was raised (stopping, retired).
  if (proc.attention.exchange(true, std::memory_order_release)) return false;
  g_attention.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool clear_attention(Processor& proc) noexcept {
  if (!proc.attention.load(std::memory_order_relaxed)) return false;
  if (!proc.attention.exchange(false, std::memory_order_acquire)) return false;  // pairs with raise_attention()
  g_attention.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

// `edge`: of an instrumented loop, which comes by much more often than a call.
static void stop_if_wanted(bool edge) {
  Worker* worker = this_worker();
  if (worker == nullptr || worker->fiber == nullptr || worker->syscall_depth != 0 || worker->no_preempt != 0) return;
  if (!worker->processor()->attention.load(std::memory_order_relaxed)) {
    Fuzz* fuzz = worker->scheduler.fuzz.get();
    if (fuzz == nullptr || !fuzz->stop_here(*worker, edge)) return;
  }
  preempt_self(*worker);
}

void safe_point_slow() { stop_if_wanted(false); }
void loop_point_slow() { stop_if_wanted(true); }

NoPreempt::NoPreempt() noexcept : worker_(this_worker()) {
  if (worker_ != nullptr) ++worker_->no_preempt;
}

NoPreempt::~NoPreempt() {
  if (worker_ != nullptr) --worker_->no_preempt;
}

}  // namespace creel::sched

// The compiler's edge callbacks (gcc: -fsanitize-coverage=trace-pc, clang: trace-pc-guard) of targets built with
// creel_preempt_loops().
//
// Inline functions of headers (std::atomic, say) exist in instrumented copies too, and the linker may choose those for the
// runtime's own calls. So the layers are built with optimisation even in debug builds (cmake/CreelLayer.cmake), which leaves no such
// calls on the runtime's paths; edge() itself uses builtins, and does not enter itself.
namespace {

void edge_slow() {
  creel::sched::Worker* worker = creel::sched::this_worker();
  if (worker == nullptr || worker->in_edge || worker->locked_fiber != nullptr) return;
  worker->in_edge = true;
  // A runtime operation in progress (odd op_seq) is never split.
  const bool splittable = worker->op_seq.count() % 2 == 0;
  worker->in_edge = false;
  if (splittable) creel::sched::loop_point_slow();
}

inline void edge() {
  static_assert(sizeof(creel::sched::g_attention) == sizeof(std::uint32_t));
  const auto* raised = reinterpret_cast<const std::uint32_t*>(&creel::sched::g_attention);
  if (__atomic_load_n(raised, __ATOMIC_RELAXED) != 0) [[unlikely]] edge_slow();
}

}  // namespace

extern "C" {
void __sanitizer_cov_trace_pc();
void __sanitizer_cov_trace_pc_guard(std::uint32_t* guard);
void __sanitizer_cov_trace_pc_guard_init(std::uint32_t* start, std::uint32_t* stop);

void __sanitizer_cov_trace_pc() { edge(); }
void __sanitizer_cov_trace_pc_guard(std::uint32_t*) { edge(); }
void __sanitizer_cov_trace_pc_guard_init(std::uint32_t*, std::uint32_t*) {}
}
