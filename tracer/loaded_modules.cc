// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/tracer/loaded_modules.h"

#include <elfutils/libdwfl.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

namespace creel::tracer {
namespace {

// The program's file, which has no name in the list.
std::string program() {
  constexpr const char* kLink = "/proc/self/exe";  // opens even if the file is gone
  std::array<char, 4096> path;
  const ssize_t length = ::readlink(kLink, path.data(), path.size());
  if (length <= 0 || static_cast<std::size_t>(length) == path.size()) return kLink;
  std::string name(path.data(), static_cast<std::size_t>(length));
  return ::access(name.c_str(), R_OK) == 0 ? name : kLink;
}

int report(dl_phdr_info* info, std::size_t, void* arg) {
  ElfW(Addr) low = UINTPTR_MAX;
  ElfW(Addr) high = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    low = std::min(low, segment.p_vaddr);
    high = std::max(high, segment.p_vaddr + segment.p_memsz);
  }
  if (low >= high) return 0;
  std::string name = *info->dlpi_name == '\0' ? program() : info->dlpi_name;
  if (name.front() != '/') {
    const std::unique_ptr<char, decltype(&std::free)> full(::realpath(name.c_str(), nullptr), std::free);
    if (full == nullptr) return 0;  // the kernel's own object
    name = full.get();
  }
  const auto page = static_cast<ElfW(Addr)>(::sysconf(_SC_PAGESIZE));
  dwfl_report_module(static_cast<Dwfl*>(arg), name.c_str(), (info->dlpi_addr + low) & -page,
                     (info->dlpi_addr + high + page - 1) & -page);
  return 0;
}

}  // namespace

void report_loaded_modules(Dwfl* dwfl) {
  dwfl_report_begin_add(dwfl);
  dl_iterate_phdr(report, dwfl);
  dwfl_report_end(dwfl, nullptr, nullptr);
}

}  // namespace creel::tracer
