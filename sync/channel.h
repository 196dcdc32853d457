// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Typed channel between fibers, buffered or not.
//
//   creel::Channel<int> c(16);
//   c.send(1);                                   // parks while the buffer is full
//   while (std::optional<int> v = c.recv()) ...  // nullopt: closed and drained;  for (int v : c) does the same
//
// A Channel is an object, not a handle: neither copied nor moved; share it by reference, or by std::shared_ptr where no
// scope outlives its users. It must outlive every call on it.
// FIFO in elements and in waiters. What happens before a send() happens before the return of the recv() that gets the
// value; what happens before close() before a recv() that returns nullopt.
//
// Elements: T must be movable. Trivially copyable types, and those for which kTriviallyRelocatable is true, lie in the
// buffer itself; any other T is kept in a heap node of its own, as its move constructor is user code, which must not
// run under the channel's lock. An exception of T's move constructor in send() leaves the channel as it was; in recv()
// it loses that one value. The buffer is allocated once, by the constructor.
// Thread safety: all calls but the destructor, from fibers and from threads outside (sched/outside.h).

#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "creel/sync/channel_core.h"
#include "creel/sync/deadline.h"

namespace creel {

// Sending on, or closing, a channel that is closed.
class ChannelClosed : public std::logic_error {
 public:
  explicit ChannelClosed(const char* what) : std::logic_error(what) {}
};

// Whether a T may be moved by copying its bytes and forgetting the original. Specialise for own types where it holds.
template <typename T>
inline constexpr bool kTriviallyRelocatable = std::is_trivially_copyable_v<T>;
template <typename T>
inline constexpr bool kTriviallyRelocatable<std::unique_ptr<T>> = true;
template <typename T>
inline constexpr bool kTriviallyRelocatable<std::shared_ptr<T>> = true;
template <typename T>
inline constexpr bool kTriviallyRelocatable<std::vector<T>> = true;

// Result of a receive that may also find nothing: a value, or none because nothing was there in time, or none because
// the channel is closed and drained.
template <typename T>
class Received : public std::optional<T> {
 public:
  Received() noexcept = default;
  explicit Received(std::optional<T>&& value) : std::optional<T>(std::move(value)) {}
  [[nodiscard]] static Received closed_channel() {
    Received result;
    result.closed_ = true;
    return result;
  }
  // No value, and none will ever come.
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  bool closed_ = false;
};

namespace sync {

[[noreturn]] void throw_send_on_closed();
[[noreturn]] void throw_close_of_closed();

// What a channel stores for a T: the T itself, or a pointer to a heap node.
template <typename T>
struct Element {
  static constexpr bool kInPlace = kTriviallyRelocatable<T> && std::is_nothrow_destructible_v<T>;
  static constexpr bool kEmpty = std::is_empty_v<T> && std::is_trivially_copyable_v<T>;
  static constexpr std::size_t kSize = kEmpty ? 0 : kInPlace ? sizeof(T) : sizeof(T*);
  static constexpr std::size_t kAlign = kInPlace ? alignof(T) : alignof(T*);
};

// Room for one element on the caller's stack. Owns a T between set() / received() and take() / sent().
template <typename T>
class Parcel {
 public:
  Parcel() noexcept {}
  template <typename U>
  explicit Parcel(std::in_place_t, U&& value) {
    set(std::forward<U>(value));
  }
  ~Parcel() { reset(); }
  Parcel(const Parcel&) = delete;
  Parcel& operator=(const Parcel&) = delete;

  template <typename U>
  void set(U&& value) {
    if constexpr (Element<T>::kInPlace) {
      ::new (static_cast<void*>(bytes_)) T(std::forward<U>(value));
    } else {
      T* node = new T(std::forward<U>(value));
      ::new (static_cast<void*>(bytes_)) T*(node);
    }
    full_ = true;
  }
  // Where the channel reads or writes the element.
  [[nodiscard]] void* address() noexcept { return bytes_; }
  // The channel has taken the element / has put one here.
  void sent() noexcept { full_ = false; }
  void received() noexcept { full_ = true; }

  // Moves the value out. Requires: full. The parcel is empty then, even if T's move constructor throws.
  [[nodiscard]] std::optional<T> take() {
    const Emptied emptied{*this};
    return std::optional<T>(std::move(value()));
  }
  // Gives the value back to where it came from, if T can be assigned; else it is destroyed with the parcel.
  void give_back(T& origin) {
    if constexpr (std::is_move_assignable_v<T>) {
      const Emptied emptied{*this};
      origin = std::move(value());
    }
  }

 private:
  struct Emptied {
    ~Emptied() { parcel.reset(); }
    Parcel& parcel;
  };

  [[nodiscard]] T& value() noexcept {
    if constexpr (Element<T>::kInPlace) {
      return *std::launder(reinterpret_cast<T*>(bytes_));
    } else {
      return **std::launder(reinterpret_cast<T**>(bytes_));
    }
  }
  void reset() noexcept {
    if (!full_) return;
    full_ = false;
    if constexpr (Element<T>::kInPlace) {
      value().~T();
    } else {
      delete &value();
    }
  }

  alignas(Element<T>::kAlign) std::byte bytes_[std::max<std::size_t>(Element<T>::kSize, 1)];
  bool full_ = false;
};

}  // namespace sync

template <typename T>
class Channel {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "a channel carries values of a non-const type");
  static_assert(std::is_move_constructible_v<T>, "a channel's elements must be movable");

 public:
  // Unbuffered without an argument: each send() waits for its recv(). Errors: std::bad_alloc.
  explicit Channel(std::size_t capacity = 0) : core_(capacity, sync::Element<T>::kSize, sync::Element<T>::kAlign) {}
  // Destroys what is left in the buffer. Requires: no fiber waits on the channel (checked in debug builds).
  ~Channel() {
    if constexpr (!std::is_trivially_destructible_v<T> || !sync::Element<T>::kInPlace) {
      while (try_recv().has_value()) {
      }
    }
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Parks until the value is taken or in the buffer. Caller: a fiber or a thread outside. Errors: ChannelClosed if the
  // channel is closed or gets closed while waiting (an rvalue is given back then); std::bad_alloc; what moving or copying T throws.
  void send(const T& value) { send_value(value, nullptr); }
  void send(T&& value) { send_value(std::move(value), nullptr); }
  // Without waiting. False: no room, the value stays as it was. Errors: as send().
  [[nodiscard]] bool try_send(const T& value) { return try_send_value(value); }
  [[nodiscard]] bool try_send(T&& value) { return try_send_value(std::move(value)); }
  // False: time was up, the value stays as it was. Errors: as send().
  template <typename U = T, typename Rep, typename Period>
  [[nodiscard]] bool send_for(U&& value, std::chrono::duration<Rep, Period> duration) {
    return send_limit(std::forward<U>(value), sync::deadline_after(duration));
  }
  template <typename U = T, typename C, typename D>
  [[nodiscard]] bool send_until(U&& value, std::chrono::time_point<C, D> when) {
    return send_limit(std::forward<U>(value), sync::to_deadline(when));
  }
  // False: `context` ended before, the value stays as it was.
  template <typename U = T>
  [[nodiscard]] bool send(U&& value, const Context& context) {
    return send_limit(std::forward<U>(value), sync::Limit(context));
  }

  // Parks until there is a value; nullopt: the channel is closed and drained. Errors: what moving T throws.
  std::optional<T> recv() {
    sync::Parcel<T> parcel;
    if (core_.recv(parcel.address(), nullptr) != sync::ChannelResult::kDone) return std::nullopt;
    parcel.received();
    return parcel.take();
  }
  // Without waiting / until a deadline / until the context ends. No value: look at closed() of the result.
  Received<T> try_recv() {
    sync::Parcel<T> parcel;
    return received(parcel, core_.try_recv(parcel.address()));
  }
  template <typename Rep, typename Period>
  Received<T> recv_for(std::chrono::duration<Rep, Period> duration) {
    return recv_limit(sync::deadline_after(duration));
  }
  template <typename C, typename D>
  Received<T> recv_until(std::chrono::time_point<C, D> when) {
    return recv_limit(sync::to_deadline(when));
  }
  Received<T> recv(const Context& context) { return recv_limit(sync::Limit(context)); }

  // No more sends: values in the buffer can still be received; all waiting fibers wake. Errors: ChannelClosed if it is
  // closed already.
  void close() {
    if (!core_.close()) sync::throw_close_of_closed();
  }

  // Number of values in the buffer; whether closed. Outdated as soon as read.
  [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }
  [[nodiscard]] bool empty() const noexcept { return core_.size() == 0; }
  [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }
  [[nodiscard]] bool closed() const noexcept { return core_.closed(); }

  // Input iterator over recv(); a range-for ends when the channel is closed and drained.
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    explicit Iterator(Channel& channel) : channel_(&channel), value_(channel.recv()) {}
    T& operator*() const noexcept { return *value_; }
    Iterator& operator++() {
      // Not assignment: T need not be assignable.
      std::optional<T> next = channel_->recv();
      value_.reset();
      if (next) value_.emplace(std::move(*next));
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !value_.has_value(); }

   private:
    Channel* channel_;
    mutable std::optional<T> value_;
  };
  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  // For select.h.
  [[nodiscard]] sync::ChannelCore& core() noexcept { return core_; }

 private:
  // True: sent. False: it would have to wait, or time was up; an rvalue is given back.
  template <typename U>
  bool finish_send(sync::ChannelResult result, sync::Parcel<T>& parcel, U&& value) {
    if (result == sync::ChannelResult::kDone) {
      parcel.sent();
      return true;
    }
    if constexpr (std::is_same_v<U, T>) parcel.give_back(value);
    if (result == sync::ChannelResult::kClosed) sync::throw_send_on_closed();
    return false;
  }
  template <typename U>
  bool send_value(U&& value, const sync::Limit* limit) {
    sync::Parcel<T> parcel(std::in_place, std::forward<U>(value));
    return finish_send(core_.send(parcel.address(), limit), parcel, std::forward<U>(value));
  }
  template <typename U>
  bool try_send_value(U&& value) {
    sync::Parcel<T> parcel(std::in_place, std::forward<U>(value));
    return finish_send(core_.try_send(parcel.address()), parcel, std::forward<U>(value));
  }
  template <typename U>
  bool send_limit(U&& value, const sync::Limit& limit) {
    return send_value(std::forward<U>(value), limit.endless() ? nullptr : &limit);
  }
  Received<T> recv_limit(const sync::Limit& limit) {
    sync::Parcel<T> parcel;
    return received(parcel, core_.recv(parcel.address(), limit.endless() ? nullptr : &limit));
  }
  static Received<T> received(sync::Parcel<T>& parcel, sync::ChannelResult result) {
    if (result == sync::ChannelResult::kDone) {
      parcel.received();
      return Received<T>(parcel.take());
    }
    return result == sync::ChannelResult::kClosed ? Received<T>::closed_channel() : Received<T>();
  }

  sync::ChannelCore core_;
};

// What a Channel<void> carries.
struct Signal {};

// A channel of signals without a value. recv() and its kin return whether there was one.
template <>
class Channel<void> {
 public:
  explicit Channel(std::size_t capacity = 0) : channel_(capacity) {}

  // See Channel<T> for all of these.
  void send() { channel_.send(Signal{}); }
  [[nodiscard]] bool try_send() { return channel_.try_send(Signal{}); }
  template <typename Rep, typename Period>
  [[nodiscard]] bool send_for(std::chrono::duration<Rep, Period> duration) {
    return channel_.send_for(Signal{}, duration);
  }
  template <typename C, typename D>
  [[nodiscard]] bool send_until(std::chrono::time_point<C, D> when) {
    return channel_.send_until(Signal{}, when);
  }
  [[nodiscard]] bool send(const Context& context) { return channel_.send(Signal{}, context); }

  // False: closed and drained.
  bool recv() { return channel_.recv().has_value(); }
  Received<Signal> try_recv() { return channel_.try_recv(); }
  template <typename Rep, typename Period>
  Received<Signal> recv_for(std::chrono::duration<Rep, Period> duration) {
    return channel_.recv_for(duration);
  }
  template <typename C, typename D>
  Received<Signal> recv_until(std::chrono::time_point<C, D> when) {
    return channel_.recv_until(when);
  }
  Received<Signal> recv(const Context& context) { return channel_.recv(context); }

  void close() { channel_.close(); }
  [[nodiscard]] std::size_t size() const noexcept { return channel_.size(); }
  [[nodiscard]] bool empty() const noexcept { return channel_.empty(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return channel_.capacity(); }
  [[nodiscard]] bool closed() const noexcept { return channel_.closed(); }
  [[nodiscard]] auto begin() { return channel_.begin(); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  [[nodiscard]] Channel<Signal>& signals() noexcept { return channel_; }

 private:
  Channel<Signal> channel_;
};

}  // namespace creel
