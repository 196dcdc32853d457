// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Want of memory at every call by which a pool gets and gives back stacks: a run counts the calls of each kind, then as
// many runs as the pool has places make one of them fail. The program sees an error that says so, or nothing; no stack is
// lost, none is given twice, and none is without its guard.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "creel/sched/stack_pool.h"

namespace creel::sched::test {
namespace {

using ::testing::HasSubstr;

constexpr int kGuardInstall = 102;  // MADV_GUARD_INSTALL

// The places of the pool that call the kernel.
enum Kind { kMap, kMapAnew, kProtect, kGuard, kGuards, kTouch, kNoHugePages, kGiveBack, kKinds };
constexpr std::array<const char*, kKinds> kNames = {"a mapping",  "a mapping in place of another", "a protected guard",
                                                    "a guard",    "many guards",                   "the touch of many",
                                                    "no huge pages", "giving back"};

// --- The hook.

std::array<int, kKinds> calls{};
int chosen = kKinds;  // the kind that fails, at its call of this number
int number = 0;
bool has_markers = true;
bool has_vectors = true;

bool fails(Kind kind) {
  if (++calls[kind] != number || chosen != kind) return false;
  errno = ENOMEM;
  return true;
}

const StackSystem& faulty() {
  static const StackSystem system = {
      [](void* address, std::size_t bytes, int flags) noexcept -> void* {
        if (fails((flags & MAP_FIXED) != 0 ? kMapAnew : kMap)) return MAP_FAILED;
        return StackSystem::real().map(address, bytes, flags);
      },
      [](void* address, std::size_t bytes) noexcept {
        return fails(kProtect) ? -1 : StackSystem::real().protect_none(address, bytes);
      },
      [](void* address, std::size_t bytes, int advice) noexcept {
        if (advice == kGuardInstall && !has_markers) {
          errno = EINVAL;
          return -1;
        }
        const Kind kind = advice == kGuardInstall ? kGuard : advice == MADV_DONTNEED ? kGiveBack : kNoHugePages;
        return fails(kind) ? -1 : StackSystem::real().advise(address, bytes, advice);
      },
      [](const iovec* ranges, std::size_t count, int advice) noexcept {
        if (!has_vectors) {
          errno = EPERM;
          return -1;
        }
        return fails(advice == kGuardInstall ? kGuards : kTouch) ? -1
                                                                 : StackSystem::real().advise_many(ranges, count, advice);
      },
  };
  return system;
}

// --- The scenario.

// More than the pool keeps: some are trimmed, some given back, and whole slabs mapped anew.
constexpr std::size_t kStacks = 6000;
constexpr std::size_t kSize = 32 << 10;

class Scenario {
 public:
  explicit Scenario(GuardKind guard) : pool_(kSize, guard, faulty()) {}

  void run() {
    EXPECT_EQ(::pipe(pipe_), 0);
    for (int round = 0; round < 2; ++round) {
      take_all();
      const std::size_t total = pool_.stats().stacks_total;
      for (Stack* const stack : stacks_) pool_.release(stack);
      stacks_.clear();
      EXPECT_EQ(pool_.stats().stacks_free, total);
      std::int64_t pause = 0;
      for (; pause != StackPool::kNever; pause = pool_.scavenge(now_)) now_ += pause;
      EXPECT_EQ(pool_.stats().stacks_free, pool_.stats().stacks_total);
    }
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }
  // Refusals that the caller was told of.
  [[nodiscard]] int refused() const { return refused_; }

 private:
  void take_all() {
    std::set<std::uintptr_t> seen;
    while (stacks_.size() < kStacks) {
      std::array<Stack*, 32> batch;
      std::error_code error;
      const std::uint32_t count = pool_.allocate_batch(batch.data(), 32, error);
      if (count == 0) {
        EXPECT_EQ(error, std::errc::not_enough_memory) << error.message();
        EXPECT_THAT(describe_stack_error(error, pool_), HasSubstr("cannot create a fiber stack: Cannot allocate memory"));
        ASSERT_LE(++refused_, 1) << "one call fails, once";
        continue;
      }
      EXPECT_FALSE(error) << error.message();
      for (std::uint32_t i = 0; i < count; ++i) {
        const tracer::StackBounds& bounds = batch[i]->bounds;
        ASSERT_TRUE(seen.insert(bounds.low).second) << "given twice";
        *reinterpret_cast<volatile char*>(bounds.high - 1024) = 1;
        ASSERT_EQ(::write(pipe_[1], reinterpret_cast<const void*>(bounds.low - 1), 1), -1) << "no guard";
        ASSERT_EQ(errno, EFAULT);
        stacks_.push_back(batch[i]);
      }
    }
  }

  StackPool pool_;
  std::vector<Stack*> stacks_;
  int pipe_[2] = {-1, -1};
  std::int64_t now_ = 0;
  int refused_ = 0;
};

struct Kernel {
  const char* name;
  GuardKind guard;
  bool markers;
  bool vectors;
};

class StackFaultTest : public ::testing::TestWithParam<Kernel> {
 protected:
  StackFaultTest() {
    has_markers = GetParam().markers;
    has_vectors = GetParam().vectors;
  }
  ~StackFaultTest() override { chosen = kKinds; }
  // Returns the refusals.
  int run(int kind, int call) {
    calls = {};
    chosen = kind;
    number = call;
    Scenario scenario(GetParam().guard);
    scenario.run();
    return scenario.refused();
  }
};

TEST_P(StackFaultTest, EachCallFailsOnce) {
  ASSERT_EQ(run(kKinds, 0), 0);
  const std::array<int, kKinds> all = calls;
  EXPECT_GT(all[kMap], 0);
  EXPECT_GT(all[kGiveBack], 0);
  EXPECT_GT(all[kMapAnew], 0) << "no slab was wholly given back";
  EXPECT_GT(all[kProtect] + all[kGuard] + all[kGuards], 0);
  for (int kind = 0; kind < kKinds; ++kind) {
#if defined(CREEL_ASAN) || defined(CREEL_TSAN)
    const std::set<int> tried = {1, all[kind] / 2};  // a run takes seconds
#else
    const std::set<int> tried = {1, 2, all[kind] / 2, all[kind]};  // the first find the pool empty
#endif
    for (const int call : tried) {
      if (call < 1 || call > all[kind]) continue;
      SCOPED_TRACE(std::string("without memory for ") + kNames[kind] + ", call " + std::to_string(call) + " of " +
                   std::to_string(all[kind]));
      const int refused = run(kind, call);
      // Where there is another way the caller does not notice.
      if (kind != kProtect && kind != kGuard) {
        EXPECT_EQ(refused, 0);
      }
      if (HasFailure()) return;
    }
  }
}

// A kernel of today; one before 6.14, which takes one range per call; one before 6.13, which has no guard markers.
INSTANTIATE_TEST_SUITE_P(, StackFaultTest,
                         ::testing::Values(Kernel{"today", GuardKind::kAuto, true, true},
                                           Kernel{"one_by_one", GuardKind::kAuto, true, false},
                                           Kernel{"protected", GuardKind::kAuto, false, false}),
                         [](const auto& kernel) { return std::string(kernel.param.name); });

}  // namespace
}  // namespace creel::sched::test
