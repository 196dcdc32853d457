# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

cmake_minimum_required(VERSION 3.22)

# 10,000 connections at once, all of which echo: server and client need that many descriptors each.

execute_process(COMMAND sh -c "ulimit -Hn" OUTPUT_VARIABLE limit OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT limit STREQUAL "unlimited" AND limit LESS 10100)
  message("SKIPPED: a process may open ${limit} files here (ulimit -Hn), 10,100 are needed")
  return()
endif()
execute_process(COMMAND ${PROGRAM} --bench=tcp_held --procs=2 OUTPUT_VARIABLE line RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "status ${status}: ${line}")
endif()
string(JSON requests GET "${line}" ops)
string(JSON bytes GET "${line}" value)
string(JSON peak GET "${line}" rss_kib)
if(NOT requests EQUAL 100000)
  message(FATAL_ERROR "${requests} requests were answered, expected 100000")
endif()
message("10000 connections, ${requests} requests: ${bytes} bytes of resident memory per connection, peak ${peak} KiB")
