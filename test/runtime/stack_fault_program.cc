// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A program whose fibers need stacks, one of the calls for which fails for want of memory: for stack_fault_test.cc.
// Usage: stack_fault_program map|guard|protect|guards|touch|nohugepage NUMBER. Prints a sum that all fibers have a part in,
// and how many such calls there were. Linked with --wrap: the library's calls come here.

#include <creel/creel.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <string_view>

namespace {

constexpr int kGuardInstall = 102;  // MADV_GUARD_INSTALL

std::string_view chosen;      // constant once fibers run
int number = 0;               // likewise
std::atomic<int> calls{0};    // of the chosen kind

bool fails(std::string_view kind) {
  if (kind != chosen || calls.fetch_add(1) + 1 != number) return false;
  errno = ENOMEM;
  return true;
}

}  // namespace

extern "C" {

void* __real_mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_madvise(void* address, size_t size, int advice);
int __real_mprotect(void* address, size_t size, int protection);
long __real_syscall(long call, ...);

void* __wrap_mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  if ((flags & MAP_STACK) != 0 && fails("map")) return MAP_FAILED;
  return __real_mmap(address, size, protection, flags, fd, offset);
}

int __wrap_madvise(void* address, size_t size, int advice) {
  if (advice == kGuardInstall && chosen == "protect") {  // a kernel before 6.13
    errno = EINVAL;
    return -1;
  }
  if (advice == kGuardInstall && fails("guard")) return -1;
  if (advice == MADV_NOHUGEPAGE && fails("nohugepage")) return -1;
  return __real_madvise(address, size, advice);
}

int __wrap_mprotect(void* address, size_t size, int protection) {
  if (protection == PROT_NONE && fails("protect")) return -1;
  return __real_mprotect(address, size, protection);
}

long __wrap_syscall(long call, ...) {
  va_list list;
  va_start(list, call);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (call == SYS_process_madvise) {
    if (chosen == "guard") {  // a kernel before 6.14
      errno = EPERM;
      return -1;
    }
    if (fails(a[3] == kGuardInstall ? "guards" : "touch")) return -1;
  }
  return __real_syscall(call, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // extern "C"

int main(int argc, char** argv) {
  const std::string_view text = argc == 3 ? argv[2] : "";
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) {
    std::fprintf(stderr, "usage: stack_fault_program map|guard|protect|guards|touch|nohugepage NUMBER\n");
    return 2;
  }
  chosen = argv[1];
  creel::Options options;
  options.procs = 2;
  options.stack_size = 64 << 10;
  return creel::run(options, [] {
    constexpr int kFibers = 300;
    std::atomic<int> sum{0};
    std::atomic<int> begun{0};
    creel::Channel<int> gate;
    creel::WaitGroup wg;
    for (int i = 0; i < kFibers; ++i) {
      wg.go([&, i] {
        ++begun;
        gate.recv();  // all have stacks at the same time
        sum += i;
      });
    }
    for (const std::size_t size : {16u << 10, 1u << 20, 4u << 20}) {
      sum += creel::spawn({.stack_size = size}, [] { return 1000; }).join();
    }
    while (begun < kFibers) creel::yield();
    gate.close();
    wg.wait();
    std::printf("sum %d\ncalls %d\n", sum.load(), calls.load());
  });
}
