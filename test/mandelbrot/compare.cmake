# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

cmake_minimum_required(VERSION 3.22)

# Draws every variant with PROGRAM and with the Go twin from GO_SOURCE into DIRECTORY and compares the pixels.

find_program(GO go NO_CACHE)
if(NOT GO)
  if(NOT "$ENV{CI}" STREQUAL "")
    message(FATAL_ERROR "CI is set and no go is on PATH")
  endif()
  message("SKIPPED: no go on PATH, nothing to compare with")
  return()
endif()

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "status ${status}: ${line}")
  endif()
endfunction()

file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})
set(ENV{GOFLAGS} -buildvcs=false)
set(ENV{GOTOOLCHAIN} local)
run(${GO} build -C ${GO_SOURCE} -o ${DIRECTORY}/twin .)
run(${DIRECTORY}/twin --size=${SIZE} --out=${DIRECTORY}/go)
run(${PROGRAM} --size=${SIZE} --out=${DIRECTORY}/creel --procs=2)
file(GLOB pictures RELATIVE ${DIRECTORY}/go ${DIRECTORY}/go/*.png)
list(LENGTH pictures count)
if(NOT count EQUAL 6)
  message(FATAL_ERROR "expected 6 pictures, found ${pictures}")
endif()
foreach(picture ${pictures})
  run(${PNG_EQUAL} ${DIRECTORY}/go/${picture} ${DIRECTORY}/creel/${picture})
endforeach()
