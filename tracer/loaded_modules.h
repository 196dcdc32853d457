// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Tells libdwfl which program and libraries are loaded, and where.
//
// By the dynamic linker's list, not by /proc/self/maps as dwfl_linux_proc_report() does: that lists also the copies of those very
// files that libdw has mapped to read them. Where the kernel puts such a copy next to the library itself, both pass for one
// module at the copy's address, and no address of the library has a name any more.
//
// Thread safety: the Dwfl's. Source: dl_iterate_phdr(3).

#pragma once

struct Dwfl;

namespace creel::tracer {

// Adds what has been loaded since the last call. Needs dwfl_linux_proc_find_elf() as the callback that finds files.
void report_loaded_modules(Dwfl* dwfl);

}  // namespace creel::tracer
