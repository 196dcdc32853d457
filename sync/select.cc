// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Protocol:
//  0. The cases are tried in a random order, each under its own channel's lock only, and only where a look without the
//     lock says that it may be ready. That one case happens is all a select promises, so no snapshot of all channels is
//     needed; but "none is ready" is said of all of them at one moment:
//  1. Channels are locked in the order of their addresses, each once, so selects cannot deadlock; with all locked, cases
//     are tried in the same order.
//  2. None ready: a Waiter goes on each channel's queue, SelectState::lock is taken last, and the fiber parks. The
//  commit
//     releases the channels and then SelectState::lock. As soon as the first channel is released a waker may claim the
//     select and ready() the fiber, on another worker: it first takes SelectState::lock, hence does not touch or leave
//     its frame before the commit has come to its last step.
//  3. A waker takes a Waiter off under its channel's lock and claims the select; only the first claim succeeds. The
//  timer
//     claims under SelectState::lock.
//  4. Resumed, the fiber locks all channels again and takes its other Waiters off. Before that, wakers may still find
//     and drop them; the frame is alive.

#include "creel/sync/select.h"

#include <functional>
#include <new>

#include "creel/sched/preempt.h"

namespace creel::sync {

class Selection {
 public:
  Selection(std::span<SelectCase> cases, std::span<SelectRoom> rooms) noexcept : cases_(cases), rooms_(rooms) {}
  Selection(const Selection&) = delete;
  Selection& operator=(const Selection&) = delete;

  // Puts the cases whose channel is not null in a random order. Returns their number.
  std::size_t prepare() noexcept;
  // Step 0; kNoneReady if no case was found ready.
  std::size_t try_each();
  // Step 1; kNoneReady if none is ready.
  std::size_t attempt();
  // Parks until a case happens or time is up.
  std::size_t wait(const Clock::time_point* deadline);

 private:
  ChannelCore& channel(std::uint16_t index) const noexcept { return *cases_[index].channel; }
  template <typename F>
  void for_each_channel(F function) const {
    const ChannelCore* last = nullptr;
    for (std::size_t i = 0; i < count_; ++i) {
      ChannelCore& one = channel(rooms_[i].lock_order);
      if (&one != last) function(one);
      last = &one;
    }
  }
  void order_locks() noexcept;
  void lock_all() const {
    for_each_channel([](ChannelCore& one) { one.lock_.lock(); });
  }
  void unlock_all() const {
    for_each_channel([](ChannelCore& one) { one.lock_.unlock(); });
  }
  std::size_t step(Waiter*& wake);
  std::size_t wait_armed(bool timed);
  static bool commit(Fiber* fiber, void* self);
  static void fire(sched::Timer& timer, void* self);

  std::span<SelectCase> cases_;
  std::span<SelectRoom> rooms_;
  std::size_t count_ = 0;  // cases with a channel
  SelectState state_;
  Fiber* fiber_ = nullptr;
  bool wake_comes_ = false;  // guarded by state_.lock until the timer is stopped
};

std::size_t Selection::prepare() noexcept {
  std::uint32_t random = 0;
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    if (cases_[i].channel == nullptr) continue;
    // Inside-out Fisher-Yates. The product maps 16 random bits to 0 .. count_ with an error below 2^-16 per place.
    random = (count_ & 1) == 0 ? sched::fast_random() : random >> 16;
    const auto place = static_cast<std::size_t>(((random & 0xffff) * (count_ + 1)) >> 16);
    rooms_[count_].poll_order = rooms_[place].poll_order;
    rooms_[place].poll_order = static_cast<std::uint16_t>(i);
    ++count_;
  }
  return count_;
}

// Insertion by address: selects are short.
void Selection::order_locks() noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    const std::uint16_t index = rooms_[i].poll_order;
    std::size_t at = i;
    while (at > 0 && std::less<>()(cases_[index].channel, cases_[rooms_[at - 1].lock_order].channel)) {
      rooms_[at].lock_order = rooms_[at - 1].lock_order;
      --at;
    }
    rooms_[at].lock_order = index;
  }
}

std::size_t Selection::try_each() {
  for (std::size_t i = 0; i < count_; ++i) {
    const std::uint16_t index = rooms_[i].poll_order;
    SelectCase& one = cases_[index];
    if (one.is_send ? !one.channel->may_send() : !one.channel->may_recv()) continue;
    one.result = one.is_send ? one.channel->try_send(one.element) : one.channel->try_recv(one.element);
    if (one.result != ChannelResult::kBlocked) return index;
  }
  return kNoneReady;
}

// Caller: holds all channels' locks.
std::size_t Selection::step(Waiter*& wake) {
  for (std::size_t i = 0; i < count_; ++i) {
    const std::uint16_t index = rooms_[i].poll_order;
    SelectCase& one = cases_[index];
    one.result = one.is_send ? one.channel->send_step(one.element, wake) : one.channel->recv_step(one.element, wake);
    if (one.result != ChannelResult::kBlocked) return index;
  }
  return kNoneReady;
}

std::size_t Selection::attempt() {
  Waiter* wake = nullptr;
  order_locks();
  lock_all();
  const std::size_t chosen = step(wake);
  unlock_all();
  if (wake != nullptr) sched::ready(wake->fiber);
  return chosen;
}

std::size_t Selection::wait(const Clock::time_point* deadline) {
  fiber_ = sched::fiber_here();
  if (fiber_ == nullptr) [[unlikely]] return sched::as_fiber("creel::select()", [&] { return wait(deadline); });
  if (deadline == nullptr) return wait_armed(false);
  struct Armed {
    explicit Armed(Selection& owner) : timer(&Selection::fire, &owner), selection(owner) {}
    ~Armed() {
      timer.stop();
      if (selection.wake_comes_) sched::wake_came();
    }
    sched::Timer timer;
    Selection& selection;
  } armed(*this);
  armed.timer.start(*deadline);
  return wait_armed(true);
}

std::size_t Selection::wait_armed(bool timed) {
  Waiter* wake = nullptr;
  order_locks();
  lock_all();
  if (const std::size_t chosen = step(wake); chosen != kNoneReady) {
    unlock_all();
    if (wake != nullptr) sched::ready(wake->fiber);
    return chosen;
  }
  state_.lock.lock();
  if (timed && state_.expired) {
    state_.lock.unlock();
    unlock_all();
    return kTimeUp;
  }
  for (std::size_t i = 0; i < count_; ++i) {
    const std::uint16_t index = rooms_[i].lock_order;
    SelectCase& one = cases_[index];
    Waiter& waiter = *::new (&rooms_[index].waiter) Waiter(fiber_);
    waiter.element = one.element;
    waiter.select = &state_;
    (one.is_send ? one.channel->senders_ : one.channel->receivers_).push_back(waiter);
  }
  state_.parked = true;
  sched::park(BlockReason::kSelect, &Selection::commit, this,
              sched::tag(cases_[rooms_[0].lock_order].channel, sched::WaitKind::kChannel));

  state_.lock.lock();  // wait for the commit's last step
  state_.lock.unlock();
  lock_all();
  // Acquire pairs with the release in pop_claimed(). Null: the timer.
  const Waiter* winner = state_.winner.load(std::memory_order_acquire);
  std::size_t chosen = kTimeUp;
  for (std::size_t i = 0; i < count_; ++i) {
    const std::uint16_t index = rooms_[i].lock_order;
    SelectCase& one = cases_[index];
    Waiter& waiter = rooms_[index].waiter;
    if (waiter.queued) (one.is_send ? one.channel->senders_ : one.channel->receivers_).remove(waiter);
    if (&waiter != winner) continue;
    chosen = index;
    const Outcome outcome = waiter.result();
    sched::check(outcome != Outcome::kWaiting, "select: resumed before its case was decided");
    one.result = outcome == Outcome::kClosed ? ChannelResult::kClosed : ChannelResult::kDone;
  }
  unlock_all();
  sched::check(chosen != kTimeUp || timed, "select: resumed without a case");
  return chosen;
}

bool Selection::commit(Fiber*, void* self) {
  auto& selection = *static_cast<Selection*>(self);
  selection.unlock_all();
  selection.state_.lock.unlock();  // the last touch
  return true;
}

void Selection::fire(sched::Timer&, void* self) {
  auto& selection = *static_cast<Selection*>(self);
  SelectState& state = selection.state_;
  state.lock.lock();
  state.expired = true;
  const bool won = state.parked && state.claim();
  if (state.parked && !won) selection.wake_comes_ = sched::wake_is_coming();  // as in Expiry::reach()
  state.lock.unlock();
  if (won) sched::ready(selection.fiber_);
}

void block_forever() {
  if (sched::fiber_here() == nullptr) return sched::as_fiber("creel::select()", [] { block_forever(); });
  for (;;) sched::park(BlockReason::kForever, [](Fiber*, void*) { return true; }, nullptr);
}

std::size_t select_cases(std::span<SelectCase> cases, std::span<SelectRoom> rooms, bool blocking,
                         const Clock::time_point* deadline) {
  sched::safe_point();
  Selection selection(cases, rooms);
  const bool any = selection.prepare() != 0;
  if (deadline != nullptr && *deadline == Clock::time_point::max()) deadline = nullptr;
  if (any) {
    if (const std::size_t chosen = selection.try_each(); chosen != kNoneReady) return chosen;
    if (blocking && deadline == nullptr) return selection.wait(nullptr);
    if (const std::size_t chosen = selection.attempt(); chosen != kNoneReady) return chosen;
  }
  if (!blocking) return kNoneReady;
  if (deadline != nullptr && *deadline <= Clock::now()) return kTimeUp;
  if (any) return selection.wait(deadline);
  if (deadline == nullptr) block_forever();
  sched::sleep_until(*deadline);
  return kTimeUp;
}

}  // namespace creel::sync
