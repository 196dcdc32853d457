# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

# creel_flags: what every target of the project and every user of the library needs. Exported.
# creel_warnings: for our own sources only.

add_library(creel_flags INTERFACE)
target_compile_features(creel_flags INTERFACE cxx_std_20)
# The tracer walks frame pointers, of leaf functions too: a leaf that is interrupted must not hide its caller.
target_compile_options(creel_flags INTERFACE -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer)
# A frame larger than the guard below a stack is touched page by page, so that it ends in the guard and not beyond.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-fstack-clash-protection CREEL_HAS_STACK_CLASH_PROTECTION)
if(CREEL_HAS_STACK_CLASH_PROTECTION)
  target_compile_options(creel_flags INTERFACE -fstack-clash-protection)
endif()
if(NOT CREEL_TRACER)
  target_compile_definitions(creel_flags INTERFACE CREEL_TRACER_OFF)
endif()
if(CREEL_SANITIZE STREQUAL "address")
  target_compile_definitions(creel_flags INTERFACE CREEL_ASAN)
  target_compile_options(creel_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  target_link_options(creel_flags INTERFACE -fsanitize=address,undefined)
elseif(CREEL_SANITIZE STREQUAL "thread")
  target_compile_definitions(creel_flags INTERFACE CREEL_TSAN)
  target_compile_options(creel_flags INTERFACE -fsanitize=thread)
  target_link_options(creel_flags INTERFACE -fsanitize=thread)
elseif(NOT CREEL_SANITIZE STREQUAL "")
  message(FATAL_ERROR "CREEL_SANITIZE=${CREEL_SANITIZE}: accepted are empty, address, thread")
endif()

add_library(creel_warnings INTERFACE)
target_compile_options(creel_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       $<$<BOOL:${CREEL_WERROR}>:-Werror>)
