# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

# creel_layer(<folder> DEPENDS <targets> NEEDS <targets>): the object library creel_<folder> of all sources of one layer.
#
# Every include reads creel/<folder>/<file>.h, in the tree and after installation: <build>/include/creel/<folder> is a
# link to the source folder, so no generic folder name lies on an include path.

set(CREEL_LAYERS tracer sched sync net os runtime)  # in include order: a layer includes itself and those left of it
set(CREEL_INCLUDE_DIR ${PROJECT_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${CREEL_INCLUDE_DIR}/creel)
foreach(layer ${CREEL_LAYERS})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${layer} ${CREEL_INCLUDE_DIR}/creel/${layer} SYMBOLIC)
endforeach()
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/runtime/creel.h ${CREEL_INCLUDE_DIR}/creel/creel.h SYMBOLIC)

function(creel_layer name)
  cmake_parse_arguments(arg "" "" "DEPENDS;NEEDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/tracer/(reader|analysis|viewer|tool)/")
  if(NOT sources)  # a layer of headers only
    add_library(creel_${name} INTERFACE)
    target_include_directories(creel_${name} INTERFACE $<BUILD_INTERFACE:${CREEL_INCLUDE_DIR}>)
    target_link_libraries(creel_${name} INTERFACE creel_flags ${arg_DEPENDS})
    return()
  endif()
  add_library(creel_${name} OBJECT ${sources})
  target_include_directories(creel_${name} PUBLIC $<BUILD_INTERFACE:${CREEL_INCLUDE_DIR}>)
  target_link_libraries(creel_${name} PUBLIC creel_flags ${arg_DEPENDS} PRIVATE creel_warnings ${arg_NEEDS})
  # A tail call would take the API function a user called out of the stacks in traces.
  # Inlining, in debug builds too, keeps instrumented copies of inline functions (creel_preempt_loops) out of the runtime;
  # for position-independent code gcc inlines across functions only where symbols are not interposed.
  target_compile_options(creel_${name} PRIVATE -fno-optimize-sibling-calls -fno-semantic-interposition
                                               $<$<CONFIG:Debug>:-O1>)
  set_target_properties(creel_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()
