# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

cmake_minimum_required(VERSION 3.22)

# Runs gdb with the commands of SCRIPT on PROGRAM, and looks at what they print.
#   MODE       live: a process stopped at a breakpoint; core: the core file it leaves
#   DIRECTORY  for the core file

if(NOT GDB)
  if(DEFINED ENV{CI} AND NOT "$ENV{CI}" STREQUAL "")
    message(FATAL_ERROR "CI is set and there is no gdb: scripts/deps installs it")
  endif()
  message("SKIPPED: there is no gdb on PATH")
  return()
endif()

# Sets `refused`, and says that the test is skipped, if `output` of gdb shows that it may not trace a process.
function(stop_without_ptrace output directory)
  set(refused FALSE PARENT_SCOPE)
  if(output MATCHES "ptrace: Operation not permitted|ptrace: Function not implemented")
    message("SKIPPED: this system does not let gdb trace a process")
    file(REMOVE_RECURSE ${directory})
    set(refused TRUE PARENT_SCOPE)
  endif()
endfunction()

set(gdb ${GDB} -nx -batch -iex "set debuginfod enabled off" -iex "set pagination off")
file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})
if(MODE STREQUAL "live")
  set(start -ex "break all_are_in_place" -ex "run" ${PROGRAM})
else()
  execute_process(COMMAND sh -c "ulimit -c unlimited && exec \"$0\" core" ${PROGRAM} WORKING_DIRECTORY ${DIRECTORY}
                  RESULT_VARIABLE status)
  file(GLOB cores ${DIRECTORY}/*)
  list(LENGTH cores count)
  if(NOT count EQUAL 1)
    # /proc/sys/kernel/core_pattern leads elsewhere, or the size is limited: gdb writes one.
    file(READ /proc/sys/kernel/core_pattern pattern)
    string(STRIP "${pattern}" pattern)
    message("the program (status ${status}) left no core file in its directory: core_pattern is ${pattern}")
    set(cores ${DIRECTORY}/written-by-gdb)
    execute_process(COMMAND ${gdb} -ex "break all_are_in_place" -ex "run" -ex "generate-core-file ${cores}" ${PROGRAM}
                    OUTPUT_VARIABLE output ERROR_VARIABLE output)
    message("${output}")
    stop_without_ptrace("${output}" ${DIRECTORY})
    if(refused)
      return()
    endif()
    if(output MATCHES "Memory read failed for corefile section, 1048576 bytes")
      message("SKIPPED: gdb's own core files end at the guard of the first stack, with this kernel")
      file(REMOVE_RECURSE ${DIRECTORY})
      return()
    endif()
  endif()
  set(start ${PROGRAM} ${cores})
endif()

# Arguments after the program's name are in the order gdb runs them.
set(commands -ex "source ${SCRIPT}" -ex "info fibers" -ex "fiber waiter bt" -ex "fiber dreamer bt" -ex "fiber spinner bt"
             -ex "fiber 1 bt 40" -ex "fiber 999999 bt")
execute_process(COMMAND ${gdb} ${start} ${commands} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
file(REMOVE_RECURSE ${DIRECTORY})
message("${output}")
stop_without_ptrace("${output}" ${DIRECTORY})
if(refused)
  return()
endif()

foreach(wanted
        "\n +1  running +- +on thread [0-9]+ \\(LWP [0-9]+\\)"
        "chan receive +waiter +[^\n]*wait_in_vain[^\n]*parked\\.cc:[0-9]+"
        "sleep +dreamer +[^\n]*dream[^\n]*parked\\.cc:[0-9]+"
        "running +spinner +on thread [0-9]+"
        "fiber [0-9]+ \"waiter\" \\[chan receive\\]:\n#0 [^\n]*\n(#[^\n]*\n)*#[0-9]+ [^\n]*wait_in_vain \\(gate=[^\n]*parked\\.cc:[0-9]+\n"
        "fiber [0-9]+ \"dreamer\" \\[sleep\\]:\n#0 [^\n]*\n(#[^\n]*\n)*#[0-9]+ [^\n]*dream \\(\\) at [^\n]*parked\\.cc:[0-9]+\n"
        "fiber [0-9]+ \"spinner\" \\[running\\]:\n[^#]*#0 [^\n]*spin_for_ever \\(\\) at [^\n]*parked\\.cc:[0-9]+\n"
        "fiber 1 \\[running\\]:\n[^#]*#0 [^\n]*"
        "there is no fiber 999999")
  if(NOT output MATCHES "${wanted}")
    message(FATAL_ERROR "gdb on ${MODE} did not print ${wanted}")
  endif()
endforeach()
