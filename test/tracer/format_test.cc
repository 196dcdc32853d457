// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "creel/tracer/clock.h"
#include "creel/tracer/emit.h"
#include "creel/tracer/format/event.h"
#include "creel/tracer/format/varint.h"
#include "creel/tracer/format/version.h"
#include "creel/tracer/tables.h"

namespace creel::test {
namespace {

using tracer::InternTable;

TEST(Varint, RoundTripsAtEveryLength) {
  for (int bits = 0; bits <= 64; ++bits) {
    for (const std::uint64_t delta : {-1, 0, 1}) {
      const std::uint64_t value = (bits == 64 ? 0 : std::uint64_t{1} << bits) + delta;
      std::uint8_t bytes[tracer::format::kMaxVarint];
      const std::uint8_t* end = tracer::format::put_varint(bytes, value);
      std::uint64_t read = 0;
      EXPECT_EQ(tracer::format::get_varint(bytes, end, read), end);
      EXPECT_EQ(read, value);
      EXPECT_EQ(tracer::format::get_varint(bytes, end - 1, read), nullptr) << "cut";
    }
  }
}

TEST(Varint, NoneIsTenBytes) {
  std::uint8_t bytes[tracer::format::kMaxVarint];
  EXPECT_EQ(tracer::format::put_varint(bytes, tracer::format::kNone), bytes + 10);
  EXPECT_EQ(bytes[9], 1);
}

TEST(Varint, PaddedReadsBack) {
  std::uint8_t bytes[3];
  for (const std::uint64_t value : {0u, 127u, 128u, 65536u, (1u << 21) - 1}) {
    tracer::format::put_padded_varint(bytes, value, 3);
    std::uint64_t read = 0;
    EXPECT_EQ(tracer::format::get_varint(bytes, bytes + 3, read), bytes + 3);
    EXPECT_EQ(read, value);
  }
}

TEST(Varint, RejectsMoreThan64Bits) {
  const std::vector<std::uint8_t> bytes(10, 0xff);
  std::uint64_t read = 0;
  EXPECT_EQ(tracer::format::get_varint(bytes.data(), bytes.data() + bytes.size(), read), nullptr);
}

TEST(Version, HeaderIsSixteenBytes) {
  const auto header = tracer::format::file_header(23);
  EXPECT_EQ(std::string(header.begin(), header.end()), std::string("go 1.23 trace\0\0\0", 16));
  EXPECT_FALSE(tracer::format::is_level(24));
}

TEST(InternTable, EqualBytesShareAnId) {
  InternTable table(5);
  const std::uint64_t a = table.intern("alpha");
  EXPECT_EQ(a, 5u);
  EXPECT_NE(table.intern("beta"), a);
  EXPECT_EQ(table.intern("alpha"), a);
  EXPECT_EQ(table.intern(""), 0u);
  EXPECT_NE(table.add("alpha"), a);
}

TEST(InternTable, ThreadsAgreeOnEveryId) {
  constexpr int kThreads = 4;
  constexpr int kTexts = 20000;
  InternTable table(1, 16);  // long chains
  std::vector<std::vector<std::uint64_t>> ids(kThreads, std::vector<std::uint64_t>(kTexts / 10));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < ids[t].size(); ++i) ids[t][i] = table.intern("text " + std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 1; t < kThreads; ++t) EXPECT_EQ(ids[t], ids[0]);
  std::set<std::string> texts;
  std::size_t entries = 0;
  table.for_each([&](InternTable::Entry& entry) {
    texts.emplace(entry.text());
    ++entries;
  });
  EXPECT_EQ(texts.size(), ids[0].size());
  EXPECT_EQ(entries, texts.size()) << "published twice";
}

TEST(StackCache, KeepsTheTwoYoungestOfAPlace) {
  tracer::StackCache cache;
  const auto hash = [](std::uint64_t n) { return n << 32 | 4; };  // one place for all
  EXPECT_EQ(cache.find(hash(1)), 0u);
  cache.put(hash(1), 11);
  cache.put(hash(2), 12);
  EXPECT_EQ(cache.find(hash(1)), 11u);
  EXPECT_EQ(cache.find(hash(2)), 12u);
  cache.put(hash(3), 13);
  EXPECT_EQ(cache.find(hash(1)), 0u);
  EXPECT_EQ(cache.find(hash(2)), 12u);
  EXPECT_EQ(cache.find(hash(3)), 13u);
  cache.clear();
  EXPECT_EQ(cache.find(hash(3)), 0u);
}

TEST(OpSeq, SetLookLosesNoStep) {
  constexpr std::uint64_t kSections = 1'000'000;
  tracer::OpSeq seq;
  std::atomic<bool> done{false};
  std::thread owner([&] {
    std::uint64_t looked = 0;
    for (std::uint64_t i = 0; i < kSections; ++i) {
      looked += seq.enter() ? 1 : 0;
      seq.leave();
    }
    EXPECT_LE(looked, kSections);
    done = true;
  });
  for (bool on = true; !done; on = !on) (void)seq.set_look(on);
  owner.join();
  EXPECT_EQ(seq.count(), 2 * kSections);
  (void)seq.set_look(true);
  EXPECT_FALSE(seq.set_look(true)) << "set already";
  EXPECT_TRUE(seq.enter());
  EXPECT_EQ(seq.count(), 2 * kSections + 1) << "the count is that without the bit";
  EXPECT_TRUE(seq.set_look(false));
  seq.leave();
  EXPECT_FALSE(seq.enter());
  seq.leave();
}

TEST(Clock, FollowsTheMonotonicClock) {
  const tracer::ClockMap map = tracer::next_clock_map(nullptr);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t before = tracer::monotonic_ns();
    const std::uint64_t ns = map.now() * tracer::format::kNanosecondsPerUnit;
    const std::uint64_t after = tracer::monotonic_ns();
    EXPECT_GE(ns + 20'000, before);
    EXPECT_LE(ns, after + 20'000);
  }
}

TEST(Clock, NeverStepsBackFromMapToMap) {
  tracer::ClockMap map = tracer::next_clock_map(nullptr);
  for (int i = 0; i < 1000; ++i) {
    const tracer::ClockMap next = tracer::next_clock_map(&map);
    EXPECT_GE(next.base_units, map.units(next.base_ticks));
    EXPECT_GT(next.mult, 0u);
    map = next;
  }
}

TEST(CutString, CutsAtAUtf8Boundary) {
  const std::string ascii(2000, 'x');
  EXPECT_EQ(tracer::cut_string(ascii).size(), 1024u);
  std::string text(1023, 'x');
  text += "\u00e9rest";  // two bytes across the limit
  EXPECT_EQ(tracer::cut_string(text).size(), 1023u);
  EXPECT_EQ(tracer::cut_string("short"), "short");
}

}  // namespace
}  // namespace creel::test
