# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

# The packages of the library itself. Tests, benchmarks and examples find theirs where they use them.

find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS context)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBDW REQUIRED IMPORTED_TARGET libdw)

