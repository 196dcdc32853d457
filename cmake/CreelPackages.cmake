# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

# The packages of the library itself. Tests, benchmarks and examples find theirs where they use them.

find_package(Threads REQUIRED)
# The fiber switch where creel has none of its own (sched/machine_context.h).
set(CREEL_SWITCH_LIBRARY "")
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  find_package(Boost 1.74 REQUIRED COMPONENTS context)
  set(CREEL_SWITCH_LIBRARY Boost::context)
endif()
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBDW REQUIRED IMPORTED_TARGET libdw)

