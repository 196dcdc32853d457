# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

cmake_minimum_required(VERSION 3.22)

# Installs BUILD below DIRECTORY, builds PROJECT against it (WAY: cmake or pkgconfig) and runs it.

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE error)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "status ${status}: ${line}\n${output}${error}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${DIRECTORY}")
set(prefix "${DIRECTORY}/prefix")
run(${CMAKE_COMMAND} --install ${BUILD} --prefix "${prefix}")
if(NOT EXISTS "${prefix}/share/creel/creel-gdb.py")
  message(FATAL_ERROR "the commands for gdb were not installed")
endif()
if(WAY STREQUAL "cmake")
  set(program "${DIRECTORY}/build/consumer")
  run(${CMAKE_COMMAND} -S "${PROJECT}" -B "${DIRECTORY}/build" -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX}
      -DCMAKE_BUILD_TYPE=${BUILD_TYPE} "-DCMAKE_PREFIX_PATH=${prefix}")
  run(${CMAKE_COMMAND} --build "${DIRECTORY}/build")
else()
  set(program "${DIRECTORY}/consumer")
  set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
  run(pkg-config --cflags --libs creel)
  separate_arguments(flags UNIX_COMMAND "${output}")
  run(${CXX} -O1 "${PROJECT}/main.cc" -o "${program}" ${flags})
endif()
run("${program}")
if(NOT output STREQUAL "sum 499500\n")
  message(FATAL_ERROR "the consumer printed '${output}'")
endif()
