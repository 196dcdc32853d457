// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/overflow.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <ctime>
#include <string_view>

#include "creel/sched/base/check.h"
#include "creel/sched/slab.h"

namespace creel::sched {
namespace {

constexpr std::size_t kAltStackBytes = std::size_t{64} << 10;  // dladdr and wide vector registers need a few KiB
constexpr std::array<int, 2> kSignals = {SIGSEGV, SIGBUS};

// Written before the handlers are installed; release pairs with the acquire in the handler.
std::atomic<OverflowLookup> lookup_info{nullptr};
std::atomic<OverflowPrinter> print_names{nullptr};
// Set once by the first thread to report. Relaxed: keeps two reports apart, orders nothing.
std::atomic<bool> reporting{false};
std::array<struct sigaction, kSignals.size()> previous_actions;

// Text assembled without allocation, written to stderr line by line.
class Line {
 public:
  Line& operator<<(std::string_view text) noexcept {
    const std::size_t count = text.size() < sizeof(text_) - size_ ? text.size() : sizeof(text_) - size_;
    std::memcpy(text_ + size_, text.data(), count);
    size_ += count;
    return *this;
  }
  Line& operator<<(const char* text) noexcept { return *this << std::string_view(text); }
  Line& operator<<(std::uint64_t value) noexcept { return number(value, 10); }
  Line& hex(std::uint64_t value) noexcept { return (*this << "0x").number(value, 16); }
  void write() noexcept {
    *this << "\n";
    for (std::size_t done = 0; done < size_;) {
      const ssize_t count = ::write(STDERR_FILENO, text_ + done, size_ - done);
      if (count <= 0) break;  // nobody to tell
      done += static_cast<std::size_t>(count);
    }
    size_ = 0;
  }

 private:
  Line& number(std::uint64_t value, unsigned base) noexcept {
    char digits[20];
    std::size_t at = sizeof(digits);
    do {
      digits[--at] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    return *this << std::string_view(digits + at, sizeof(digits) - at);
  }

  std::size_t size_ = 0;
  char text_[1024];
};

struct Registers {
  std::uintptr_t pc = 0;
  std::uintptr_t sp = 0;
  std::uintptr_t fp = 0;
};

Registers registers_of(const void* context) noexcept {
  const mcontext_t& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return {static_cast<std::uintptr_t>(machine.gregs[REG_RIP]), static_cast<std::uintptr_t>(machine.gregs[REG_RSP]),
          static_cast<std::uintptr_t>(machine.gregs[REG_RBP])};
#elif defined(__aarch64__)
  return {machine.pc, machine.sp, machine.regs[29]};
#endif
}

void write_frame(std::uint64_t number, std::uintptr_t pc, bool is_return_address) noexcept {
  Line line;
  (line << "  #" << number << " ").hex(pc);
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(is_return_address ? pc - 1 : pc), &info) != 0) {
    if (info.dli_sname != nullptr) {
      (line << " " << info.dli_sname << "+").hex(pc - reinterpret_cast<std::uintptr_t>(info.dli_saddr));
    }
    if (info.dli_fname != nullptr) {
      (line << " (" << info.dli_fname << "+").hex(pc - reinterpret_cast<std::uintptr_t>(info.dli_fbase));
      line << ")";
    }
  }
  line.write();
}

// The innermost and the outermost frames of the overflown stack.
OverflowFrames collect_frames(const Registers& registers, std::uintptr_t low, std::uintptr_t high) noexcept {
  OverflowFrames frames;
  std::array<std::uintptr_t, OverflowFrames::kLast> ring{};  // frame i beyond the first at i % kLast
  std::uint64_t count = 0;
  const auto add = [&](std::uintptr_t address) {
    if (count < OverflowFrames::kFirst) {
      frames.first[frames.first_count++] = address;
    } else {
      ring[count % OverflowFrames::kLast] = address;
    }
    ++count;
  };
  add(registers.pc + 1);
  std::uintptr_t frame = registers.fp;
  while (frame >= low && frame + 2 * sizeof(std::uintptr_t) <= high && frame % sizeof(std::uintptr_t) == 0) {
    std::array<std::uintptr_t, 2> words;  // saved frame pointer, return address
    std::memcpy(words.data(), reinterpret_cast<const void*>(frame), sizeof(words));
    if (words[1] == 0) break;
    add(words[1]);
    if (words[0] <= frame) break;  // frames lie ever higher
    frame = words[0];
  }
  const std::uint64_t beyond = count - frames.first_count;
  frames.last_count = static_cast<std::size_t>(beyond < OverflowFrames::kLast ? beyond : OverflowFrames::kLast);
  frames.left_out = beyond - frames.last_count;
  for (std::size_t i = 0; i < frames.last_count; ++i) {
    frames.last[i] = ring[(count - frames.last_count + i) % OverflowFrames::kLast];
  }
  return frames;
}

void write_frames(const OverflowFrames& frames) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < frames.first_count; ++i, ++number) {
    const bool interrupted = i == 0;
    write_frame(number, frames.first[i] - (interrupted ? 1 : 0), !interrupted);
  }
  if (frames.left_out != 0) (Line() << "  ... " << frames.left_out << " frames").write();
  number += frames.left_out;
  for (std::size_t i = 0; i < frames.last_count; ++i, ++number) write_frame(number, frames.last[i], true);
}

// `ends`: the fault ends the process.
void report_if_overflow(std::uintptr_t address, const Registers& registers, bool ends) noexcept {
  const Slab* const slab = find_slab(address);
  if (slab == nullptr) return;
  const std::size_t stride = slab->stride.load(std::memory_order_relaxed);
  const std::size_t guard = slab->guard.load(std::memory_order_relaxed);
  const auto index = static_cast<std::uint32_t>((address - slab->base.load(std::memory_order_relaxed)) / stride);
  const std::uintptr_t start = slab->start(index);
  if (index >= slab->carved.load(std::memory_order_relaxed) || address - start >= guard) return;
  const auto on_this_stack = [&](std::uintptr_t value) { return value >= start && value < start + stride; };
  // Another stack's stray access to this guard is no overflow of this stack. A large frame may have moved sp beyond.
  if (!on_this_stack(registers.sp) && !on_this_stack(registers.fp)) return;
  if (reporting.exchange(true, std::memory_order_relaxed)) {
    // Another thread is reporting: give it time before the fault ends the process.
    const timespec second{1, 0};
    nanosleep(&second, nullptr);
    return;
  }

  if (ends) begin_fatal_end();
  const Stack& stack = *slab->descriptor(index);
  OverflowInfo info;
  const OverflowLookup lookup = lookup_info.load(std::memory_order_acquire);
  const bool known = lookup != nullptr && stack.owner != 0 && lookup(stack.owner, info);
  Line line;
  line << "creel: stack overflow: fiber " << stack.owner;
  if (known && info.name != nullptr) line << " (" << info.name << ")";
  line << " exceeded its stack of " << std::uint64_t{stride - guard} << " bytes";
  if (known && info.file != nullptr) {
    line << " (created at " << info.file << ":" << std::uint64_t{info.line};
    if (info.creator != 0) line << " by fiber " << info.creator;
    line << ")";
  }
  line << "; raise Options::stack_size or CREEL_STACK_SIZE";
  line.write();
  const OverflowFrames frames = collect_frames(registers, stack.bounds.low, stack.bounds.high);
  const OverflowPrinter printer = print_names.load(std::memory_order_acquire);
  if (printer == nullptr || !printer(frames)) write_frames(frames);
  reporting.store(false, std::memory_order_relaxed);  // a handler below may recover from this fault
}

void on_fault(int signal, siginfo_t* info, void* context) noexcept {
  const bool is_fault = info->si_code > 0;  // else sent by kill() and the like
  const struct sigaction& previous = previous_actions[signal == kSignals[0] ? 0 : 1];
  if (is_fault) {
    const bool ends = (previous.sa_flags & SA_SIGINFO) == 0 && previous.sa_handler == SIG_DFL;
    report_if_overflow(reinterpret_cast<std::uintptr_t>(info->si_addr), registers_of(context), ends);
  }

  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else if (is_fault || previous.sa_handler == SIG_DFL) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
    if (!is_fault) raise(signal);  // a fault repeats by itself on return; delivered on return, too
  }
}

}  // namespace

void install_overflow_handler(OverflowLookup lookup, OverflowPrinter printer) noexcept {
  print_names.store(printer, std::memory_order_release);
  lookup_info.store(lookup, std::memory_order_release);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    struct sigaction current {};
    sigaction(kSignals[i], nullptr, &current);
    if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_fault) continue;
    previous_actions[i] = current;
    sigaction(kSignals[i], &action, nullptr);
  }
}

void uninstall_overflow_handler() noexcept {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction current{};
    sigaction(kSignals[i], nullptr, &current);
    if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_fault) {
      sigaction(kSignals[i], &previous_actions[i], nullptr);
    }
  }
  lookup_info.store(nullptr, std::memory_order_release);
  print_names.store(nullptr, std::memory_order_release);
}

ThreadAltStack::ThreadAltStack() noexcept {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const memory = mmap(nullptr, kAltStackBytes + page, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  mprotect(memory, page, PROT_NONE);
  stack_t stack{};
  stack.ss_sp = static_cast<char*>(memory) + page;
  stack.ss_size = kAltStackBytes;
  if (sigaltstack(&stack, &previous_) != 0) {
    munmap(memory, kAltStackBytes + page);
    return;
  }
  memory_ = memory;
}

ThreadAltStack::~ThreadAltStack() {
  if (memory_ == nullptr) return;
  sigaltstack(&previous_, nullptr);
  munmap(memory_, kAltStackBytes + static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
}

}  // namespace creel::sched
