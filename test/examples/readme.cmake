# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

cmake_minimum_required(VERSION 3.22)

# The first C++ block of README is EXAMPLE without its licence lines.

file(READ ${README} readme)
file(READ ${EXAMPLE} example)
string(REGEX REPLACE "^// Copyright[^\n]*\n// SPDX[^\n]*\n\n" "" example "${example}")
string(FIND "${readme}" "```cpp\n" from)
if(from EQUAL -1)
  message(FATAL_ERROR "${README} has no C++ block")
endif()
math(EXPR from "${from} + 7")
string(SUBSTRING "${readme}" ${from} -1 rest)
string(FIND "${rest}" "```" length)
string(SUBSTRING "${rest}" 0 ${length} block)
if(NOT block STREQUAL example)
  message(FATAL_ERROR "the first C++ block of ${README} is not ${EXAMPLE}:\n${block}")
endif()
