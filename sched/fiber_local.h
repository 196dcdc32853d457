// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// FiberLocal<T>: a variable of which each fiber has its own, as thread_local is for threads.
//
// A thread_local is wrong in fiber code: a fiber may continue on another thread. Thread safety: each fiber sees its own
// value only; the FiberLocal object itself may be used by all fibers at once and must outlive them.
// Blocking: never; the first use in a fiber allocates. Values are destroyed when their fiber ends, on that fiber, in
// reverse order of creation. A FiberLocal that is destroyed leaves the values of live fibers to their fibers' end.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace creel::sched {

// A fiber's values, by key. Caller: the fiber.
class FiberLocals {
 public:
  ~FiberLocals() { clear(); }
  // Destroys the values, those too that their destructors make.
  void clear();
  [[nodiscard]] void* find(std::uint64_t key) const noexcept;
  void add(std::uint64_t key, void* value, void (*destroy)(void*));

 private:
  struct Entry {
    std::uint64_t key;
    void* value;
    void (*destroy)(void*);
  };
  std::vector<Entry> entries_;  // few: searched from the end
};

// Of the running fiber; ends the process with a message outside a fiber.
[[nodiscard]] FiberLocals& current_locals();
[[nodiscard]] std::uint64_t new_local_key() noexcept;

}  // namespace creel::sched

namespace creel {

template <typename T>
class FiberLocal {
 public:
  // Values start as T().
  FiberLocal()
    requires std::is_default_constructible_v<T>
      : make_([] { return new T(); }) {}
  // Values start as what `make` returns, called on each fiber at its first use.
  template <typename F>
    requires std::is_invocable_r_v<T, F&>
  explicit FiberLocal(F make) : make_([make = std::move(make)]() mutable { return new T(make()); }) {}
  FiberLocal(const FiberLocal&) = delete;
  FiberLocal& operator=(const FiberLocal&) = delete;

  // The running fiber's value. The reference stays valid until the fiber ends. Caller: a fiber.
  [[nodiscard]] T& get() {
    sched::FiberLocals& locals = sched::current_locals();
    if (void* value = locals.find(key_)) return *static_cast<T*>(value);
    std::unique_ptr<T> made(make_());
    locals.add(key_, made.get(), [](void* value) { delete static_cast<T*>(value); });
    return *made.release();
  }
  [[nodiscard]] T& operator*() { return get(); }
  [[nodiscard]] T* operator->() { return &get(); }

 private:
  const std::uint64_t key_ = sched::new_local_key();  // never reused, so a new FiberLocal never finds an old value
  std::function<T*()> make_;
};

}  // namespace creel
