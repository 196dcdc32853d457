// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/stack_unwind.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "creel/sched/base/copy_memory.h"
#include "creel/tracer/loaded_modules.h"
#include "creel/tracer/stack_hash.h"

namespace creel::sched {
namespace {

constexpr std::uintptr_t kWord = sizeof(std::uintptr_t);

// DWARF numbers of registers.
#if defined(__x86_64__)
constexpr unsigned kSp = 7;
constexpr unsigned kFp = 6;
constexpr unsigned kReturn = 16;
#elif defined(__aarch64__)
constexpr unsigned kSp = 31;
constexpr unsigned kFp = 29;
constexpr unsigned kReturn = 30;
#endif

using Known = std::optional<std::uintptr_t>;  // a register's value; none: not known

struct Frame {
  std::uintptr_t pc = 0;
  std::uintptr_t sp = 0;
  Known fp;
  Known link;
  bool interrupted = false;  // the pc is the next instruction to run, not a return address
};

// The word at `address` of the stack, as copied.
Known word_at(const StackCopy& copy, std::uintptr_t address) noexcept {
  if (address < copy.sp || address % kWord != 0) return std::nullopt;
  const std::size_t index = (address - copy.sp) / kWord;
  return index < copy.count ? Known(copy.words[index]) : std::nullopt;
}

// Whether frame pointers lead from `frame` to where a fiber's frames end (a null return address), or out of the copy.
bool is_frame(const StackCopy& copy, std::uintptr_t frame) noexcept {
  const std::uintptr_t end = copy.sp + copy.count * kWord;
  for (;;) {
    if (frame % kWord != 0 || frame + 2 * kWord > copy.bounds.high) return false;
    if (frame + 2 * kWord > end) return frame >= copy.sp;
    const Known next = word_at(copy, frame);
    const Known address = word_at(copy, frame + kWord);
    if (!next || !address) return false;
    if (*address == 0) return *next == 0;
    if (*next == 0) return true;
    if (*next < frame + 2 * kWord) return false;
    frame = *next;
  }
}

// What the call instruction before a return address calls.
struct Call {
  bool is_call = false;
  std::uintptr_t target = 0;  // 0: known at run time only
};

// `address` may be any number: the code is copied by the kernel, which does not fault.
Call call_before(std::uintptr_t address) noexcept {
#if defined(__x86_64__)
  std::array<unsigned char, 6> code;
  if (!copy_memory(address - code.size(), code.data(), code.size())) return {};
  if (code[1] == 0xe8) {
    std::int32_t distance = 0;
    std::memcpy(&distance, &code[2], sizeof distance);
    return {true, address + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(distance))};
  }
  const auto indirect = [&code](std::size_t at) { return code[at] == 0xff && (code[at + 1] & 0x38) == 0x10; };
  return {indirect(0) || indirect(3) || indirect(4), 0};
#elif defined(__aarch64__)
  std::uint32_t code = 0;
  if (address % 4 != 0 || !copy_memory(address - 4, &code, sizeof code)) return {};
  if (code >> 26 == 0b100101) {
    const auto distance = static_cast<std::int32_t>(code << 6) >> 4;
    return {true, address - 4 + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(distance))};
  }
  return {(code & 0xfffffc1f) == 0xd63f0000, 0};
#endif
}

// The unwind tables of the process's modules.
class Tables {
 public:
  Tables() {
    callbacks_.find_elf = dwfl_linux_proc_find_elf;
    callbacks_.find_debuginfo = dwfl_standard_find_debuginfo;
    dwfl_ = dwfl_begin(&callbacks_);
    if (dwfl_ != nullptr) tracer::report_loaded_modules(dwfl_);
  }
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  [[nodiscard]] bool has_name(std::uintptr_t pc) {
    Dwfl_Module* module = module_at(pc);
    return module != nullptr && dwfl_module_addrname(module, pc) != nullptr;
  }
  // The caller's frame; none if it cannot be told.
  [[nodiscard]] std::optional<Frame> caller(const StackCopy& copy, const Frame& frame);

 private:
  Dwfl_Module* module_at(std::uintptr_t pc);
  [[nodiscard]] Known entry_of(std::uintptr_t pc);
  [[nodiscard]] Known find_frame_pointer(const StackCopy& copy, const Frame& frame);
  [[nodiscard]] std::optional<Frame> by_frame_pointer(const StackCopy& copy, const Frame& frame) const;

  Dwfl* dwfl_ = nullptr;
  Dwfl_Callbacks callbacks_{};
  int unknown_budget_ = 16;  // looks at the list of modules for addresses that no module had
};

Dwfl_Module* Tables::module_at(std::uintptr_t pc) {
  if (dwfl_ == nullptr) return nullptr;
  Dwfl_Module* module = dwfl_addrmodule(dwfl_, pc);
  if (module == nullptr && unknown_budget_ != 0) {
    --unknown_budget_;
    tracer::report_loaded_modules(dwfl_);
    module = dwfl_addrmodule(dwfl_, pc);
  }
  return module;
}

// Where the function around `pc` begins.
Known Tables::entry_of(std::uintptr_t pc) {
  Dwfl_Module* module = module_at(pc);
  if (module == nullptr) return std::nullopt;
  GElf_Off offset = 0;
  GElf_Sym symbol;
  if (dwfl_module_addrinfo(module, pc, &offset, &symbol, nullptr, nullptr, nullptr) == nullptr) return std::nullopt;
  return pc - offset;
}

// The frame of the function around frame.pc, which keeps frame pointers, when only its stack pointer is known. What calls
// before left in the function's room looks like frames, too, but of other functions.
Known Tables::find_frame_pointer(const StackCopy& copy, const Frame& frame) {
  const Known entry = entry_of(frame.pc);
  Known perhaps;  // called through a pointer or the linkage table
  Known other;    // called was another function, which may have jumped here
  for (std::uintptr_t at = frame.sp; word_at(copy, at + kWord); at += kWord) {
    if (!is_frame(copy, at)) continue;
    const Call call = call_before(*word_at(copy, at + kWord));
    if (!call.is_call) continue;
    if (entry && call.target == *entry) return at;
    Known& place = call.target != 0 && entry_of(call.target) == call.target ? other : perhaps;
    if (!place) place = at;
  }
  return perhaps ? perhaps : other;
}

// Without a table.
std::optional<Frame> Tables::by_frame_pointer(const StackCopy& copy, const Frame& frame) const {
  if (!frame.fp || !is_frame(copy, *frame.fp)) return std::nullopt;
  const Known next = word_at(copy, *frame.fp);
  const Known address = word_at(copy, *frame.fp + kWord);
  if (!next || !address) return std::nullopt;
  return Frame{*address, *frame.fp + 2 * kWord, next, std::nullopt, false};
}

// The place on the stack that an expression of libdw's for "saved at an offset from the frame's address" names.
Known place_of(const Dwarf_Op* ops, std::size_t count, std::uintptr_t cfa) noexcept {
  if (count == 0 || ops[0].atom != DW_OP_call_frame_cfa) return std::nullopt;
  if (count == 1) return cfa;
  return count == 2 && ops[1].atom == DW_OP_plus_uconst ? Known(cfa + ops[1].number) : std::nullopt;
}

// The caller's value of a register whose value here is `own`.
Known saved_register(const StackCopy& copy, Dwarf_Frame* rules, unsigned number, std::uintptr_t cfa, Known own) {
  Dwarf_Op room[3];
  Dwarf_Op* ops = nullptr;
  std::size_t count = 0;
  if (dwarf_frame_register(rules, static_cast<int>(number), room, &ops, &count) != 0) return std::nullopt;
  if (count == 0) return ops == nullptr ? own : std::nullopt;  // kept; or lost
  const Known place = place_of(ops, count, cfa);
  return place ? word_at(copy, *place) : std::nullopt;
}

std::optional<Frame> Tables::caller(const StackCopy& copy, const Frame& frame) {
  const std::uintptr_t inside = frame.interrupted ? frame.pc : frame.pc - 1;
  Dwfl_Module* module = module_at(inside);
  if (module == nullptr) return by_frame_pointer(copy, frame);
  Dwarf_Addr bias = 0;
  Dwarf_CFI* table = dwfl_module_eh_cfi(module, &bias);
  Dwarf_Frame* found = nullptr;
  if (table == nullptr || dwarf_cfi_addrframe(table, inside - bias, &found) != 0) return by_frame_pointer(copy, frame);
  const std::unique_ptr<Dwarf_Frame, decltype(&std::free)> rules(found, std::free);

  Dwarf_Op* ops = nullptr;
  std::size_t count = 0;
  if (dwarf_frame_cfa(rules.get(), &ops, &count) != 0 || count != 1 || ops[0].atom != DW_OP_bregx) {
    return by_frame_pointer(copy, frame);
  }
  Known base;
  Known fp = frame.fp;
  if (ops[0].number == kSp) {
    base = frame.sp;
  } else if (ops[0].number == kFp) {
    if (!fp) fp = find_frame_pointer(copy, frame);
    base = fp;
  }
  if (!base) return by_frame_pointer(copy, frame);
  const std::uintptr_t cfa = *base + ops[0].number2;
  if (cfa < frame.sp || cfa > copy.bounds.high) return std::nullopt;
  const Known address = saved_register(copy, rules.get(), kReturn, cfa, frame.link);
  if (!address) return std::nullopt;
  return Frame{*address, cfa, saved_register(copy, rules.get(), kFp, cfa, fp), std::nullopt, false};
}

}  // namespace

CREEL_NO_SANITIZE bool StackCopy::take() noexcept {
  count = 0;
  if (sp % kWord != 0 || sp < bounds.low || sp >= bounds.high) return false;
  for (std::uintptr_t at = sp; at + kWord <= bounds.high && count < kWords; at += kWord) {
    // Volatile: as a call of memcpy() the sanitizers would look at it.
    words[count++] = *reinterpret_cast<const volatile std::uintptr_t*>(at);
  }
  return true;
}

std::size_t unwind(const StackCopy& copy, std::span<std::uint64_t> out) {
  static Tables& tables = *new Tables;  // for ever: a report may come while static objects are destroyed
  Frame frame{copy.pc, copy.sp, std::nullopt, std::nullopt, true};
  if (copy.knows_all) {
    frame.fp = copy.fp;
    frame.link = copy.link;
  }
  std::size_t count = 0;
  while (count < out.size() && frame.pc != 0) {
    const std::uintptr_t address = frame.interrupted ? frame.pc + 1 : frame.pc;
    if (tables.has_name(address - 1)) out[count++] = address;
    const std::optional<Frame> next = tables.caller(copy, frame);
    if (!next || (next->sp == frame.sp && next->pc == frame.pc)) break;
    frame = *next;
  }
  return count;
}

}  // namespace creel::sched
