// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Does the same work once for all who ask for it at the same time.
//
//   creel::Group<std::string, Page> pages;
//   Page page = pages.run(url, [&] { return fetch(url); }).value;   // others that ask meanwhile get the same page
//
// Nothing is kept: who asks after the work is done starts it again. An exception goes to all who wait for it. The
// function must not ask the group for its own key: that deadlocks. Thread safety: all of it from any fiber.
// Source: golang.org/x/sync/singleflight.

#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "creel/sync/context.h"
#include "creel/sync/mutex.h"
#include "creel/sync/wait_group.h"

namespace creel {

template <typename Key, std::copy_constructible T, typename Hash = std::hash<Key>, typename Equal = std::equal_to<Key>>
class Group {
 public:
  struct Result {
    T value;
    bool shared;  // more than one caller got it
  };

  Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  // What `function()` returns, run by this fiber or by one that is at it for the same key; then parks until it is done.
  // Errors: what the function, and copying a Key or T, throws; std::bad_alloc.
  template <typename F>
  Result run(const Key& key, F&& function) {
    return *run(Context::background(), key, std::forward<F>(function));
  }
  // The same until `context` ends: nullopt says that it did while another fiber was at it. The context does not end the
  // function itself: others wait for it.
  template <typename F>
  std::optional<Result> run(const Context& context, const Key& key, F&& function) {
    const auto [call, mine] = join(key);
    if (!mine) {
      if (!call->done.wait(context)) return std::nullopt;
    } else {
      const Finish finish(*this, key, *call);
      try {
        call->value.emplace(std::invoke(std::forward<F>(function)));
      } catch (...) {  // rethrown below, to this caller as to all others
        call->error = std::current_exception();
      }
    }
    if (call->error != nullptr) std::rethrow_exception(call->error);
    return Result{*call->value, call->shared};
  }

  // Who asks for `key` from now on starts the work anew, even if it is being done.
  void forget(const Key& key) {
    const std::lock_guard guard(mutex_);
    calls_.erase(key);
  }

 private:
  struct Call {
    WaitGroup done;
    bool shared = false;  // guarded by mutex_ until it is off the map; then constant
    std::optional<T> value;
    std::exception_ptr error;
  };

  // Takes the call off the map, then lets the others go on.
  class Finish {
   public:
    Finish(Group& group, const Key& key, Call& call) : group_(group), key_(key), call_(call) {}
    ~Finish() {
      {
        const std::lock_guard guard(group_.mutex_);
        const auto found = group_.calls_.find(key_);
        // Forgotten, another call may be in its place.
        if (found != group_.calls_.end() && found->second.get() == &call_) group_.calls_.erase(found);
      }
      call_.done.done();
    }
    Finish(const Finish&) = delete;
    Finish& operator=(const Finish&) = delete;

   private:
    Group& group_;
    const Key& key_;
    Call& call_;
  };

  // The call for `key`, and whether the caller is to do the work.
  std::pair<std::shared_ptr<Call>, bool> join(const Key& key) {
    const std::lock_guard guard(mutex_);
    if (const auto found = calls_.find(key); found != calls_.end()) {
      found->second->shared = true;
      return {found->second, false};
    }
    auto call = std::make_shared<Call>();
    call->done.add(1);
    calls_.emplace(key, call);
    return {std::move(call), true};
  }

  Mutex mutex_;
  std::unordered_map<Key, std::shared_ptr<Call>, Hash, Equal> calls_;  // guarded by mutex_
};

}  // namespace creel
