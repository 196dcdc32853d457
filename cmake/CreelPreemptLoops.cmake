# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

# creel_preempt_loops(<target>): gives the loops of <target> safe points without a change of its source.
#
# The compiler calls a function of creel's on each edge of the control flow (coverage instrumentation); there the fiber
# stops when the monitor has asked it to. Costs a call and a load per edge, so use it for CPU-bound code that has no
# creel::checkpoint(). Code that must not be split (it holds a std::mutex, or sits between two reads of errno) belongs
# into a target without it, or under a creel::PinScope.
function(creel_preempt_loops target)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Without LTO: gcc instruments when it generates code, which with LTO is at link time, where the option is not known.
    target_compile_options(${target} PRIVATE -fsanitize-coverage=trace-pc -fno-lto)
    set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
  elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE -fsanitize-coverage=edge,trace-pc-guard)
  else()
    message(FATAL_ERROR "creel_preempt_loops(${target}): the compiler is ${CMAKE_CXX_COMPILER_ID}; accepted are GNU, Clang")
  endif()
endfunction()
