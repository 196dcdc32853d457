// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Waits for the first of several channel operations.
//
//   creel::select(creel::on_recv(c, [](std::optional<Pixel> p) { ... }),   // nullopt: c is closed and drained
//                 creel::on_send(d, 7, [] { ... }),
//                 creel::after(10ms, [] { ... }),
//                 creel::otherwise([] { ... }));
//
// Exactly one case happens and its handler runs, after all channels are left; select() returns the case's place in the
// argument list. Among several cases that are ready at once each is equally likely. Otherwise the fiber parks, unless
// there is an otherwise(); an after() whose time has passed counts as ready when no channel is. Handlers may be left
// out; on_recv's may take no argument.
//
// Channels are passed by reference, or by pointer: a null pointer makes a case that never happens (Go's nil channel).
// select() with no case that can happen parks forever, in the trace with the reason "forever".
// on_send copies or moves its value into the case; the value of a send that does not happen is destroyed with the case,
// so pass a copy of what is needed again. Errors: ChannelClosed if the case chosen is a send on a closed channel;
// std::bad_alloc; what moving T and handlers throw. Source: runtime/select.go of Go.

#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "creel/sync/channel.h"
#include "creel/sync/deadline.h"

namespace creel {
namespace sync {

// One channel operation of a select. Filled in by the case, completed by select_cases().
struct SelectCase {
  ChannelCore* channel = nullptr;  // null: never ready
  void* element = nullptr;
  bool is_send = false;
  ChannelResult result = ChannelResult::kBlocked;  // of the case that happened
};

// Places that are no channel operation.
inline constexpr std::size_t kNoneReady = static_cast<std::size_t>(-1);
inline constexpr std::size_t kTimeUp = static_cast<std::size_t>(-2);

// Room for one case's wait; opaque to callers, lives in their frame.
struct SelectRoom {
  SelectRoom() noexcept {}  // nothing is set: a select that need not wait shall not pay for it
  union {
    Waiter waiter;  // constructed when the select waits
  };
  std::uint16_t poll_order;
  std::uint16_t lock_order;
};
static_assert(std::is_trivially_destructible_v<Waiter>);

// Carries out one of `cases` and returns its index. `blocking` false: kNoneReady if it would have to wait. With a
// `deadline`: kTimeUp. Requires: as many rooms as cases.
std::size_t select_cases(std::span<SelectCase> cases, std::span<SelectRoom> rooms, bool blocking,
                         const Clock::time_point* deadline);

// Parks the calling fiber for good.
void block_forever();

// A handler that was left out.
struct NoHandler {
  void operator()() const noexcept {}
};

template <typename T, typename F>
class RecvCase {
 public:
  RecvCase(ChannelCore* channel, F handler) : handler_(std::move(handler)), channel_(channel) {}

  SelectCase bind() noexcept { return {channel_, parcel_.address(), false}; }
  void run(ChannelResult result) {
    if (result == ChannelResult::kDone) parcel_.received();
    const bool done = result == ChannelResult::kDone;
    if constexpr (std::is_same_v<T, Signal>) {
      if constexpr (std::is_invocable_v<F&, bool>) {
        handler_(done);
      } else {
        static_assert(std::is_invocable_v<F&>, "the handler of on_recv on a Channel<void> takes bool or nothing");
        handler_();
      }
    } else if constexpr (std::is_invocable_v<F&, std::optional<T>>) {
      handler_(done ? parcel_.take() : std::optional<T>());
    } else {
      static_assert(std::is_invocable_v<F&>, "the handler of on_recv takes std::optional<T> or nothing");
      handler_();
    }
  }

 private:
  F handler_;
  ChannelCore* channel_;
  Parcel<T> parcel_;
};

template <typename T, typename F>
class SendCase {
 public:
  template <typename U>
  SendCase(ChannelCore* channel, U&& value, F handler)
      : handler_(std::move(handler)), channel_(channel), parcel_(std::in_place, std::forward<U>(value)) {}

  SelectCase bind() noexcept { return {channel_, parcel_.address(), true}; }
  void run(ChannelResult result) {
    if (result == ChannelResult::kClosed) throw_send_on_closed();
    parcel_.sent();
    handler_();
  }

 private:
  F handler_;
  ChannelCore* channel_;
  Parcel<T> parcel_;
};

template <typename F>
struct AfterCase {
  Clock::time_point deadline;
  F handler;
};

template <typename F>
struct OtherwiseCase {
  F handler;
};

template <typename T>
inline constexpr bool kIsAfter = false;
template <typename F>
inline constexpr bool kIsAfter<AfterCase<F>> = true;
template <typename T>
inline constexpr bool kIsOtherwise = false;
template <typename F>
inline constexpr bool kIsOtherwise<OtherwiseCase<F>> = true;

template <typename T>
ChannelCore* core_of(Channel<T>* channel) noexcept {
  if constexpr (std::is_void_v<T>) {
    return channel == nullptr ? nullptr : &channel->signals().core();
  } else {
    return channel == nullptr ? nullptr : &channel->core();
  }
}

}  // namespace sync

// Cases. Made in the argument list of select(), or kept for several selects only if they receive.
template <typename T, typename F = sync::NoHandler>
[[nodiscard]] auto on_recv(Channel<T>* channel, F handler = {}) {
  using Value = std::conditional_t<std::is_void_v<T>, Signal, T>;
  return sync::RecvCase<Value, F>(sync::core_of(channel), std::move(handler));
}
template <typename T, typename F = sync::NoHandler>
[[nodiscard]] auto on_recv(Channel<T>& channel, F handler = {}) {
  return on_recv(&channel, std::move(handler));
}
template <typename T, typename U, typename F = sync::NoHandler>
  requires(!std::is_void_v<T> && std::constructible_from<T, U>)
[[nodiscard]] auto on_send(Channel<T>* channel, U&& value, F handler = {}) {
  return sync::SendCase<T, F>(sync::core_of(channel), std::forward<U>(value), std::move(handler));
}
template <typename T, typename U, typename F = sync::NoHandler>
  requires(!std::is_void_v<T> && std::constructible_from<T, U>)
[[nodiscard]] auto on_send(Channel<T>& channel, U&& value, F handler = {}) {
  return on_send(&channel, std::forward<U>(value), std::move(handler));
}
template <typename F = sync::NoHandler>
[[nodiscard]] auto on_send(Channel<void>* channel, F handler = {}) {
  return sync::SendCase<Signal, F>(sync::core_of(channel), Signal{}, std::move(handler));
}
template <typename F = sync::NoHandler>
[[nodiscard]] auto on_send(Channel<void>& channel, F handler = {}) {
  return on_send(&channel, std::move(handler));
}
// Happens when none of the channels was ready for `duration` / until `when`. The duration counts from this call.
template <typename Rep, typename Period, typename F = sync::NoHandler>
[[nodiscard]] auto after(std::chrono::duration<Rep, Period> duration, F handler = {}) {
  return sync::AfterCase<F>{sync::deadline_after(duration), std::move(handler)};
}
template <typename C, typename D, typename F = sync::NoHandler>
[[nodiscard]] auto at(std::chrono::time_point<C, D> when, F handler = {}) {
  return sync::AfterCase<F>{sync::to_deadline(when), std::move(handler)};
}
// Happens when no other case is ready now. At most one.
template <typename F = sync::NoHandler>
[[nodiscard]] auto otherwise(F handler = {}) {
  return sync::OtherwiseCase<F>{std::move(handler)};
}

// See the top of this file. Caller: a fiber or a thread outside (sched/outside.h).
template <typename... Cases>
std::size_t select(Cases&&... cases) {
  constexpr std::size_t kAfters = (std::size_t{0} + ... + std::size_t{sync::kIsAfter<std::remove_cvref_t<Cases>>});
  constexpr std::size_t kOtherwises =
      (std::size_t{0} + ... + std::size_t{sync::kIsOtherwise<std::remove_cvref_t<Cases>>});
  constexpr std::size_t kChannels = sizeof...(Cases) - kAfters - kOtherwises;
  static_assert(kOtherwises <= 1, "a select takes one otherwise() at most");
  static_assert(kChannels < 65536, "too many cases");

  std::array<sync::SelectCase, kChannels> bound;
  std::array<sync::SelectRoom, kChannels> rooms;
  [[maybe_unused]] std::size_t channel = 0;
  std::optional<sync::Clock::time_point> deadline;
  [[maybe_unused]] const auto bind = [&](auto& one) {
    using Case = std::remove_cvref_t<decltype(one)>;
    if constexpr (sync::kIsAfter<Case>) {
      if (!deadline || one.deadline < *deadline) deadline = one.deadline;
    } else if constexpr (!sync::kIsOtherwise<Case>) {
      bound[channel++] = one.bind();
    }
  };
  (bind(cases), ...);

  const std::size_t chosen = sync::select_cases(bound, rooms, kOtherwises == 0, deadline ? &*deadline : nullptr);

  // Run the handler of the case chosen: the first after() with the earliest deadline, the otherwise(), or the
  // channel's.
  std::size_t place = 0;
  std::size_t result = 0;
  channel = 0;
  bool found = false;
  [[maybe_unused]] const auto run = [&](auto& one) {
    using Case = std::remove_cvref_t<decltype(one)>;
    const std::size_t here = place++;
    if constexpr (sync::kIsAfter<Case>) {
      if (found || chosen != sync::kTimeUp || one.deadline != *deadline) return;
      found = true;
      result = here;
      one.handler();
    } else if constexpr (sync::kIsOtherwise<Case>) {
      if (found || chosen != sync::kNoneReady) return;
      found = true;
      result = here;
      one.handler();
    } else {
      const std::size_t index = channel++;
      if (found || chosen != index) return;
      found = true;
      result = here;
      one.run(bound[index].result);
    }
  };
  (run(cases), ...);
  return result;
}

}  // namespace creel
