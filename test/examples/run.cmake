# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

cmake_minimum_required(VERSION 3.22)

# Runs a program and checks what it says.
#   COMMAND_LINE   the program and its arguments
#   STATUS         regular expression its exit status matches (default 0)
#   OUTPUT, ERROR  texts that stdout and stderr contain
#   TRACE          record a trace into this file, which must then exist and not be empty

if(NOT DEFINED STATUS)
  set(STATUS 0)
endif()
if(DEFINED TRACE)
  file(REMOVE ${TRACE})
  set(ENV{CREEL_TRACE} ${TRACE})
endif()
execute_process(COMMAND ${COMMAND_LINE} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE error)
message("${output}${error}")
if(NOT status MATCHES "^(${STATUS})$")
  message(FATAL_ERROR "status is '${status}', expected ${STATUS}")
endif()
foreach(stream OUTPUT ERROR)
  string(TOLOWER ${stream} text)
  if(DEFINED ${stream})
    string(FIND "${${text}}" "${${stream}}" position)
    if(position EQUAL -1)
      message(FATAL_ERROR "'${${stream}}' is not in ${text}")
    endif()
  endif()
endforeach()
if(DEFINED TRACE)
  if(NOT EXISTS ${TRACE})
    message(FATAL_ERROR "no trace was written to ${TRACE}")
  endif()
  file(SIZE ${TRACE} size)
  if(size LESS 100)
    message(FATAL_ERROR "${TRACE} has only ${size} bytes")
  endif()
endif()
