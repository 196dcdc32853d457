// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// JoinHandle<T>: the result of a spawned fiber.

#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include "creel/sync/context.h"
#include "creel/sync/wait_group.h"

namespace creel {

namespace detail {

// Shared by the fiber and its handle. `done` orders the result before join().
template <typename T>
struct JoinState {
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;

  JoinState() { done.add(1); }

  template <typename F>
  void run(F& f) {
    try {
      if constexpr (std::is_void_v<T>) {
        f();
        value.emplace();
      } else if constexpr (std::is_reference_v<T>) {
        value.emplace(&f());
      } else {
        value.emplace(f());
      }
    } catch (...) {  // handed to join(), which rethrows it
      error = std::current_exception();
    }
    done.done();
  }

  WaitGroup done;
  std::optional<Value> value;
  std::exception_ptr error;
};

}  // namespace detail

// Movable. Dropping it without join() detaches the fiber: its result is lost, and so is an exception.
// Thread safety: one user at a time; may be moved to another fiber.
template <typename T>
class [[nodiscard]] JoinHandle {
 public:
  JoinHandle() noexcept = default;

  // Waits for the fiber to end and returns its value or rethrows its exception. Once.
  // Errors: std::logic_error when there is nothing to join (moved from, joined already). Blocking: parks the fiber.
  T join() {
    std::shared_ptr<State> state = std::exchange(state_, nullptr);
    require(state);
    state->done.wait();
    // Taken out: the fiber may be the last to let go of the state, the exception is the joiner's alone.
    if (state->error != nullptr) std::rethrow_exception(std::exchange(state->error, nullptr));
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(**state->value);
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(*state->value);
    }
  }

  // Waits at most that long; true: join() will not wait.
  template <typename Rep, typename Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> duration) {
    require(state_);
    return state_->done.wait_for(duration);
  }
  template <typename C, typename D>
  [[nodiscard]] bool wait_until(std::chrono::time_point<C, D> deadline) {
    require(state_);
    return state_->done.wait_until(deadline);
  }

  // Waits until `context` ends at most; true: join() will not wait.
  [[nodiscard]] bool wait(const Context& context) {
    require(state_);
    return state_->done.wait(context);
  }
  // join(), or, if `context` ends before the fiber, Cancelled or DeadlineExceeded; the handle can be joined again then.
  T join(const Context& context) {
    if (!wait(context)) context.throw_if_ended();
    return join();
  }

  [[nodiscard]] bool joinable() const noexcept { return state_ != nullptr; }
  void detach() noexcept { state_.reset(); }

  // For spawn().
  using State = detail::JoinState<T>;
  static std::pair<JoinHandle, std::shared_ptr<State>> make() {
    auto state = std::make_shared<State>();
    return {JoinHandle(state), state};
  }

 private:
  explicit JoinHandle(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
  static void require(const std::shared_ptr<State>& state) {
    if (state == nullptr) throw std::logic_error("creel::JoinHandle: nothing to join (joined already, detached or moved from)");
  }

  std::shared_ptr<State> state_;
};

}  // namespace creel
