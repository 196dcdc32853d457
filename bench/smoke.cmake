# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

cmake_minimum_required(VERSION 3.22)

# Runs every benchmark of every program in SIDES, and of the Go twin built from GO_SOURCE where there is a go, at a tiny
# scale, without and with tracing, and checks the line of JSON. The Go twin must have creel's benchmarks by name and
# unit. Then has scripts/bench, where there is a python3, print the tables of two of them, and once more from the stored runs.

file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})
set(ENV{CREEL_BENCH_LOAD} ${BUILD}/bin/bench_load)
find_program(GO go NO_CACHE)
if(GO)
  set(ENV{GOFLAGS} -buildvcs=false)
  set(ENV{GOTOOLCHAIN} local)
  execute_process(COMMAND ${GO} build -C ${GO_SOURCE} -o ${DIRECTORY}/bench_go . COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND SIDES ${DIRECTORY}/bench_go)
elseif(NOT "$ENV{CI}" STREQUAL "")
  message(FATAL_ERROR "CI is set and no go is on PATH")
endif()

function(expect line actual relation expected what)
  if(NOT "${actual}" ${relation} "${expected}")
    message(FATAL_ERROR "${what} is '${actual}', expected ${relation} '${expected}': ${line}")
  endif()
endfunction()

foreach(program ${SIDES})
  string(REGEX REPLACE ".*bench_" "" side ${program})
  execute_process(COMMAND ${program} --list OUTPUT_VARIABLE names COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" names "${names}")
  set(${side}_names ${names})
  set(traces off)
  if(side STREQUAL "creel" OR side STREQUAL "go")
    list(APPEND traces ${DIRECTORY}/${side}.trace)
  endif()
  foreach(name ${names})
    foreach(trace ${traces})
      execute_process(COMMAND ${program} --bench=${name} --procs=2 --trace=${trace} --scale=0.0005 OUTPUT_VARIABLE line
                      RESULT_VARIABLE status)
      expect("${line}" ${status} EQUAL 0 "status of ${side} ${name}, trace ${trace},")
      foreach(key side bench procs trace unit value ops wall_ms cpu_ms rss_kib events trace_bytes)
        string(JSON ${key} GET "${line}" ${key})
      endforeach()
      string(JSON metrics TYPE "${line}" metrics)
      expect("${line}" ${metrics} STREQUAL OBJECT metrics)
      expect("${line}" ${bench} STREQUAL ${name} bench)
      expect("${line}" ${procs} EQUAL 2 procs)
      expect("${line}" ${ops} GREATER 0 ops)
      expect("${line}" ${wall_ms} GREATER 0 wall_ms)
      expect("${line}" ${rss_kib} GREATER 0 rss_kib)
      if(trace STREQUAL "on")
        expect("${line}" ${trace_bytes} GREATER 16 trace_bytes)
        if(side STREQUAL "creel")
          expect("${line}" ${events} GREATER 0 events)
        endif()
      endif()
      list(APPEND ${side}_units "${name} ${unit}")
    endforeach()
  endforeach()
endforeach()

# A peer of peers/ has creel's benchmarks or says which it lacks.
foreach(program ${SIDES})
  string(REGEX REPLACE ".*bench_" "" side ${program})
  if(side MATCHES "^(marl|photon|libgo|bthread)$")
    execute_process(COMMAND ${program} --left-out OUTPUT_VARIABLE reasons COMMAND_ERROR_IS_FATAL ANY)
    foreach(name ${creel_names})
      if(NOT name IN_LIST ${side}_names AND NOT name MATCHES "^scale_")
        expect("" "\n${reasons}" MATCHES "\n${name}: [^\n]+" "what ${side} leaves out")
      endif()
    endforeach()
  endif()
endforeach()

if(GO)
  expect("" "${go_units}" STREQUAL "${creel_units}" "the list of Go's benchmarks")
endif()

find_program(PYTHON python3 NO_CACHE)
if(GO AND PYTHON)
  execute_process(COMMAND ${GO} build -C ${GO_SOURCE}/../mandelbrot -o ${DIRECTORY}/mandelbrot_go .
                  COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${PYTHON} ${CMAKE_CURRENT_LIST_DIR}/../scripts/bench --no-build --build-dir=${BUILD}
                          --go-dir=${DIRECTORY} --scale=0.0005 --reps=2 --procs=2 --only=yield_2|mandelbrot_pixel|tcp_echo_1_one_cpu --csv
                          --targets --json=${DIRECTORY}/runs.json --plot=${DIRECTORY}/ratios.svg
                  OUTPUT_VARIABLE table RESULT_VARIABLE status)
  expect("${table}" ${status} EQUAL 0 "status of scripts/bench")
  foreach(row "benchmark,procs,trace,creel,peer,unit,ratio,ratio_min,ratio_max,"
              "\nyield_2,2,off,[0-9.]+,[0-9.]+,ns/yield," "\nyield_2,2,on," "\nmandelbrot_pixel,2,off," "\nmandelbrot_pixel,2,on," "\ntcp_echo_1_one_cpu,2,off," ",creel_events/op,peer_events/op,"
              "\nyield_2,2,ratio,[0-9.]+,[0-9.]+,[0-9.]+,0.15,0.08," "\nyield_2,2,event_bytes,")
    expect("" "${table}" MATCHES "${row}" "the table of scripts/bench")
  endforeach()
  execute_process(COMMAND ${PYTHON} ${CMAKE_CURRENT_LIST_DIR}/../scripts/bench --from=${DIRECTORY}/runs.json --csv
                          --targets
                  OUTPUT_VARIABLE again RESULT_VARIABLE status)
  expect("${again}" ${status} EQUAL 0 "status of scripts/bench --from")
  expect("" "${again}" STREQUAL "${table}" "the table of scripts/bench --from")
  # A peer whose root is not given, or is none.
  set(bench ${PYTHON} ${CMAKE_CURRENT_LIST_DIR}/../scripts/bench --peer=marl)
  execute_process(COMMAND ${bench} --no-build --build-dir=${DIRECTORY} ERROR_VARIABLE message RESULT_VARIABLE status)
  expect("${message}" ${status} EQUAL 1 "status of scripts/bench without the peer's root")
  expect("" "${message}" MATCHES "--peer=marl needs CREEL_MARL_ROOT" "the message of scripts/bench")
  execute_process(COMMAND ${CMAKE_COMMAND} -E env CREEL_MARL_ROOT=${DIRECTORY}/none ${bench} ERROR_VARIABLE message
                  RESULT_VARIABLE status)
  expect("${message}" ${status} EQUAL 1 "status of scripts/bench with a wrong root of the peer")
  expect("" "${message}" MATCHES "CREEL_MARL_ROOT=.*/none: there is no include/marl/scheduler.h"
         "the message of scripts/bench")
  file(READ ${DIRECTORY}/ratios.svg plot)
  expect("" "${plot}" MATCHES "<svg .*yield_2.*</svg>" "the plot of scripts/bench")
endif()
