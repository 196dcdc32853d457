// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Generations: start, change, stop, with no stop-the-world. The essay is in README.md, "Generations"; the numbers at
// the steps below are its numbers.

#include "creel/tracer/recorder.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

#include "creel/tracer/current.h"
#include "creel/tracer/emit.h"
#include "creel/tracer/format/version.h"
#include "creel/tracer/hook.h"

namespace creel::tracer {

#if defined(CREEL_TRACER_OFF)
extern std::atomic<std::uint64_t> g_generation;
#endif
std::atomic<std::uint64_t> g_generation{0};

namespace {

constexpr std::chrono::nanoseconds kMinPeriod = std::chrono::microseconds(100);

// The generations of the two numbers that can be in use at once, by parity.
std::atomic<Generation*> g_slots[2];

// Lock order: api, control, registry, WorkerTrace::mu, a session's lock. Never destroyed: threads may outlive main().
struct Recorder {
  std::mutex api_mu;      // start and stop as a whole
  std::mutex control_mu;  // changes of generation
  std::mutex registry_mu;

  WorkerTrace* workers = nullptr;       // guarded by registry_mu
  StatusLister* lister = nullptr;       // guarded by control_mu
  std::shared_ptr<Session> session;     // changed under api_mu and control_mu
  std::shared_ptr<Generation> current;  // guarded by control_mu; null: off
  std::uint64_t last_number = 0;        // guarded by control_mu: of the last generation ever opened
  ClockMap clock;                       // guarded by control_mu: the last map used, if last_number != 0

  std::mutex ticker_mu;
  std::condition_variable ticker_wake;
  bool ticker_stop = false;  // guarded by ticker_mu
  std::thread ticker;        // guarded by api_mu

  std::mutex stats_mu;
  std::shared_ptr<Session> stats_session;  // guarded by stats_mu; dropped for its numbers at the end
  RecorderStats last_stats{};              // guarded by stats_mu

  std::atomic<void (*)(const std::string&)> error_handler{nullptr};  // acquire/release: what the handler uses
};

Recorder& recorder() noexcept {
  static Recorder* const instance = new Recorder;
  return *instance;
}

int membarrier(int command) noexcept { return static_cast<int>(::syscall(SYS_membarrier, command, 0, 0)); }

// Whether the kernel has membarrier for us. Decided before the first Section (attach) and the first session.
bool has_membarrier() noexcept {
  static const bool has = [] {
    if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0) return true;
    g_generation.fetch_or(kFenceBit, std::memory_order_seq_cst);
    return false;
  }();
  return has;
}

// Publishes `number` and makes sure that from now on each worker either is inside a Section it entered before, which
// its op_seq shows, or sees the new number at its next one (hook.h, protocol).
//
// At a start every look bit is set, and has settled, while the generation is still 0; at a stop the generation is 0 before
// the first bit goes. So whether tracing is on is told by one word for all workers: else one could emit an event of a fiber
// and another, whose bit comes later, resume it without one. Under the registry's lock: a worker that attaches is either
// seen here or sees the number.
void publish(Recorder& r, std::uint64_t number) noexcept {
  if (has_membarrier()) {
    std::lock_guard registry(r.registry_mu);
    if (number == 0) g_generation.store(0, std::memory_order_seq_cst);
    bool settled = false;
    while (!settled) {  // once more when a bit was not as it shall be, be it new or lost (op_seq.h)
      settled = true;
      for (WorkerTrace* w = r.workers; w != nullptr; w = w->next) {
        if (w->op_seq.set_look(number != 0)) settled = false;
      }
      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    }
    if (number != 0) {
      g_generation.store(number, std::memory_order_seq_cst);  // pairs with the acquire load in Section
      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    }
  } else {
    g_generation.store(number | kFenceBit, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the fence in events::enter()
  }
}

// Waits until `worker` has left the Section it may be in. Sections are a few instructions, but the thread may be off
// CPU.
void wait_outside(const WorkerTrace& worker) noexcept {
  const std::uint64_t seen = worker.op_seq.count();
  if (seen % 2 == 0) return;
  for (int spins = 0; worker.op_seq.count() == seen; ++spins) {
    if (spins < 100) continue;
    if (spins < 200) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
}

std::shared_ptr<Generation> make_generation(Recorder& r, Session& session, std::uint64_t first) {
  auto generation = std::make_shared<Generation>(session, r.last_number + 1);
  generation->first = first != 0 ? first : generation->number;
  generation->level = session.options().level;
  generation->proc_count = r.lister != nullptr ? r.lister->proc_count() : 1;
  generation->clock = next_clock_map(r.last_number != 0 ? &r.clock : nullptr);
  generation->start_units = generation->clock.base_units;
  generation->mono_ns = generation->start_units * format::kNanosecondsPerUnit;
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  generation->wall_ns =
      static_cast<std::uint64_t>(wall.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(wall.tv_nsec);
  return generation;
}

void install(Recorder& r, Generation& generation) noexcept {
  g_slots[generation.number & 1].store(&generation, std::memory_order_release);  // pairs with generation_slot()
  r.clock = generation.clock;
  r.last_number = generation.number;
}

// Step 1: describes the fibers and processors that no event of `generation` has touched and that are on no worker.
class Sweep {
 public:
  Sweep(Generation& generation, StatusLister& lister) : generation_(generation) {
    batch_.id = kNone;
    lister.for_each_proc([](ProcTrace& p, void* self) { static_cast<Sweep*>(self)->proc(p); }, this);
    lister.for_each_fiber([](FiberTrace& f, void* self) { static_cast<Sweep*>(self)->fiber(f); }, this);
    hand_over(batch_);
  }

 private:
  bool ready() { return batch_.buffer != nullptr || take_buffer(batch_, generation_, generation_.clock.now()); }

  // The claim first, then the state, then the compare-exchange: each transition out of the state claims before it
  // shows, so an unchanged claim proves that the state read is the one before any event of this generation.
  void proc(ProcTrace& proc) {
    std::uint64_t seen = proc.claim.load(std::memory_order_acquire);  // pairs with described()
    if (seen >> 1 >= generation_.number || proc.status.load(std::memory_order_acquire) != ProcStatus::kIdle) return;
    if (!ready() || !begin(proc, seen)) return;
    proc.seq = 0;
    put(batch_, Event::kProcStatus, proc.id, ProcStatus::kIdle);
    described(proc, generation_.number);
  }

  void fiber(FiberTrace& fiber) {
    std::uint64_t seen = fiber.claim.load(std::memory_order_acquire);  // pairs with described()
    if (seen >> 1 >= generation_.number) return;
    const FiberStatus status = fiber.status.load(std::memory_order_acquire);
    if (status != FiberStatus::kRunnable && status != FiberStatus::kWaiting) return;
    if (!ready() || !begin(fiber, seen)) return;
    fiber.seq = 0;
    if (fiber.name != nullptr && seen >> 1 < generation_.first) fiber.label_pending = true;
    StackKey key;
    parked_stack(fiber, key);  // the claim's bit 0 keeps it from starting
    put_status(batch_, generation_.clock.now(), fiber, status, kNone, key);
    described(fiber, generation_.number);
  }

  template <typename Resource>
  bool begin(Resource& resource, std::uint64_t& seen) {
    return resource.claim.compare_exchange_strong(seen, generation_.number << 1 | 1, std::memory_order_acq_rel);
  }

  Generation& generation_;
  WorkerTrace batch_;  // belongs to no thread
};

// Completes the current generation and opens the next; `last`: one that is never written. Requires: control_mu,
// recording.
void advance(Recorder& r, bool last) {
  const std::shared_ptr<Generation> old = r.current;
  Session& session = old->session;
  if (session.over_budget()) session.fail(std::make_error_code(std::errc::no_buffer_space));

  if (r.lister != nullptr) Sweep sweep(*old, *r.lister);  // 1

  std::shared_ptr<Generation> next = make_generation(r, session, old->first);  // 2
  next->discard = last;
  old->end_units = next->clock.base_units;
  if (!last) session.open_generation(next);
  install(r, *next);
  r.current = next;
  publish(r, next->number);

  {
    std::lock_guard registry(r.registry_mu);
    for (WorkerTrace* w = r.workers; w != nullptr; w = w->next) wait_outside(*w);  // 3
    for (WorkerTrace* w = r.workers; w != nullptr; w = w->next) {                  // 4, 5
      std::lock_guard lock(w->mu);
      if (w->closed >= old->number) continue;
      close_generation(*w, *old);
      w->closed = old->number;
    }
  }
  session.seal(*old);  // 6
}

void advance_or_fail(Recorder& r, bool last) {
  Session& session = r.current->session;
  if (session.failed()) return;
  try {
    advance(r, last);
  } catch (const std::bad_alloc&) {  // before anything was published
    session.fail(std::make_error_code(std::errc::not_enough_memory));
  }
}

// Switches recording off and drops what belongs to the running generation. Requires: control_mu, recording.
void switch_off(Recorder& r) {
  publish(r, 0);
  std::lock_guard registry(r.registry_mu);
  for (WorkerTrace* w = r.workers; w != nullptr; w = w->next) {
    wait_outside(*w);
    std::lock_guard lock(w->mu);
    if (w->buffer != nullptr) recycle_buffer(w->buffer);
    w->buffer = nullptr;
    w->pos = nullptr;
    w->end = nullptr;
    w->closed = r.last_number;
  }
  g_slots[0].store(nullptr, std::memory_order_relaxed);  // nobody is inside a Section that could look
  g_slots[1].store(nullptr, std::memory_order_relaxed);
  r.current.reset();
}

void report(const std::error_code& error) {
  // Acquire pairs with set_error_handler().
  if (auto* handler = recorder().error_handler.load(std::memory_order_acquire)) {
    handler("tracing ended: " + error.message());
  }
}

void run_ticker(Recorder& r, std::chrono::nanoseconds period) {
  pthread_setname_np(pthread_self(), "creel-tick");
  std::unique_lock lock(r.ticker_mu);
  while (!r.ticker_wake.wait_for(lock, period, [&] { return r.ticker_stop; })) {
    lock.unlock();
    advance_generation();
    lock.lock();
  }
}

void start_ticker(Recorder& r, std::chrono::nanoseconds period) {
  r.ticker_stop = false;
  sigset_t all;
  sigset_t old;
  sigfillset(&all);  // signals belong to the program's threads
  pthread_sigmask(SIG_SETMASK, &all, &old);
  r.ticker = std::thread([&r, period] { run_ticker(r, period); });
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

void keep_stats(Recorder& r) {
  std::lock_guard lock(r.stats_mu);
  if (r.stats_session == nullptr) return;
  Session& s = *r.stats_session;
  r.last_stats = {s.events.load(std::memory_order_relaxed), s.bytes.load(std::memory_order_relaxed),
                  s.generations.load(std::memory_order_relaxed)};
  r.stats_session.reset();
}

// Ends the session, running or failed. Requires: api_mu, a session.
std::error_code end_session(Recorder& r, std::chrono::nanoseconds patience) {
  const std::shared_ptr<Session> session = r.session;
  {
    std::lock_guard control(r.control_mu);
    if (r.current != nullptr) {
      advance_or_fail(r, true);
      switch_off(r);
    }
    r.session.reset();
    session->finish();
  }
  if (r.ticker.joinable()) {
    {
      std::lock_guard lock(r.ticker_mu);
      r.ticker_stop = true;
    }
    r.ticker_wake.notify_all();
    r.ticker.join();
  }
  const std::error_code error = session->wait(std::min(patience, session->options().drain_timeout));
  keep_stats(r);
  return error;
}

}  // namespace

Generation* generation_slot(std::uint64_t number) noexcept {
  // Acquire pairs with install(): its fields are set. Who asks is inside a Section of `number` or of the one after it, so
  // what the slot holds cannot go away; but it may be another than asked for (README.md, invariant 5).
  Generation* generation = g_slots[number & 1].load(std::memory_order_acquire);
  return generation != nullptr && generation->number == number ? generation : nullptr;
}

void attach(WorkerTrace& worker) {
  Recorder& r = recorder();
  has_membarrier();
  std::lock_guard registry(r.registry_mu);
  // Nothing of earlier generations to close. Should the next one be published right now, its closing waits for our
  // lock.
  const std::uint64_t published = g_generation.load(std::memory_order_acquire);
  const std::uint64_t number = published & ~kFenceBit;
  worker.closed = number != 0 ? number - 1 : 0;
  worker.op_seq.set_look(published != 0);
  worker.prev = nullptr;
  worker.next = r.workers;
  if (r.workers != nullptr) r.workers->prev = &worker;
  r.workers = &worker;
}

namespace {

// Requires: registry_mu.
void unlist(Recorder& r, WorkerTrace& worker) {
  if (worker.prev != nullptr) worker.prev->next = worker.next;
  if (worker.next != nullptr) worker.next->prev = worker.prev;
  if (r.workers == &worker) r.workers = worker.next;
  worker.next = nullptr;
  worker.prev = nullptr;
}

}  // namespace

void abandon(WorkerTrace& worker) {
  Recorder& r = recorder();
  std::lock_guard registry(r.registry_mu);
  std::lock_guard lock(worker.mu);
  worker.abandoned.store(true, std::memory_order_relaxed);  // read in the slow path of its Sections, under mu
  unlist(r, worker);
}

void detach(WorkerTrace& worker) {
  Recorder& r = recorder();
  std::lock_guard registry(r.registry_mu);
  if (worker.abandoned.load(std::memory_order_relaxed)) return;
  {
    std::lock_guard lock(worker.mu);
    // A change of generation that has not come to this worker yet still waits for the registry's lock, so the
    // generation of the buffer is not sealed.
    hand_over(worker);
  }
  unlist(r, worker);
}

void set_status_lister(StatusLister* lister) {
  Recorder& r = recorder();
  std::lock_guard control(r.control_mu);
  r.lister = lister;
}

std::error_code start_recording(std::unique_ptr<Sink> sink, const RecorderOptions& options) {
#if defined(CREEL_TRACER_OFF)
  (void)sink;
  (void)options;
  return std::make_error_code(std::errc::not_supported);
#else
  if (sink == nullptr || !format::is_level(options.level)) return std::make_error_code(std::errc::invalid_argument);
  Recorder& r = recorder();
  has_membarrier();
  std::lock_guard api(r.api_mu);
  if (r.session != nullptr) {
    if (!r.session->failed()) return std::make_error_code(std::errc::device_or_resource_busy);
    (void)end_session(r, std::chrono::nanoseconds::max());  // its error went to the error handler
  }
  if (std::error_code error = sink->open()) return error;

  auto session = std::make_shared<Session>(std::move(sink), options, [](Session& failed) {
    {
      Recorder& rec = recorder();
      std::lock_guard control(rec.control_mu);
      if (rec.session.get() == &failed && rec.current != nullptr) switch_off(rec);
    }
    report(failed.error());
  });
  try {
    session->start();
    start_ticker(r, std::max(options.period, kMinPeriod));
  } catch (const std::system_error& error) {
    session->finish();
    (void)session->wait(options.drain_timeout);
    return error.code();
  }
  {
    std::lock_guard lock(r.stats_mu);
    r.stats_session = session;
  }
  {
    std::lock_guard control(r.control_mu);
    r.session = session;
    r.current = make_generation(r, *session, 0);
    session->open_generation(r.current);
    install(r, *r.current);
    publish(r, r.current->number);
    {
      std::lock_guard registry(r.registry_mu);
      for (WorkerTrace* w = r.workers; w != nullptr; w = w->next) wait_outside(*w);
    }
    // A sink that failed at the header found nothing to switch off.
    if (session->failed()) switch_off(r);
  }
  // From a fiber, the first Section describes it and the number of processors at once.
  if (WorkerTrace* worker = current_worker()) Section section(*worker);
  return {};
#endif
}

std::error_code stop_recording() {
  Recorder& r = recorder();
  std::lock_guard api(r.api_mu);
  return r.session != nullptr ? end_session(r, std::chrono::nanoseconds::max()) : std::error_code{};
}

void save_recording_at_end() noexcept {
  if (!recording()) return;
  Recorder& r = recorder();
  const std::unique_lock api(r.api_mu, std::try_to_lock);  // held: somebody is stopping it already
  if (!api.owns_lock() || r.session == nullptr) return;
  if (const std::error_code error = end_session(r, std::chrono::seconds(1))) {
    std::fprintf(stderr, "creel: the trace is incomplete: %s\n", error.message().c_str());
  }
}

void advance_generation() {
  Recorder& r = recorder();
  std::lock_guard control(r.control_mu);
  if (r.current != nullptr) advance_or_fail(r, false);
}

bool recording() noexcept { return (g_generation.load(std::memory_order_relaxed) & ~kFenceBit) != 0; }

RecorderStats recorder_stats() noexcept {
  Recorder& r = recorder();
  std::lock_guard lock(r.stats_mu);
  if (r.stats_session == nullptr) return r.last_stats;
  const Session& s = *r.stats_session;
  return {s.events.load(std::memory_order_relaxed), s.bytes.load(std::memory_order_relaxed),
          s.generations.load(std::memory_order_relaxed)};
}

void set_error_handler(void (*handler)(const std::string& message)) {
  recorder().error_handler.store(handler, std::memory_order_release);  // pairs with report()
}

}  // namespace creel::tracer
