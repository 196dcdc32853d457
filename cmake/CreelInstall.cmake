# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

# Install rules: the library, its headers, find_package(creel), pkg-config and the commands for gdb.

include(CMakePackageConfigHelpers)

install(TARGETS creel creel_flags EXPORT creelTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(layer ${CREEL_LAYERS})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${layer}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/creel/${layer}
          FILES_MATCHING PATTERN "*.h"
          PATTERN reader EXCLUDE PATTERN analysis EXCLUDE PATTERN viewer EXCLUDE PATTERN tool EXCLUDE)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/runtime/creel.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/creel)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/creel)
install(EXPORT creelTargets NAMESPACE creel:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/creelConfig.cmake.in ${PROJECT_BINARY_DIR}/creelConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/creelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/creelConfig.cmake ${PROJECT_BINARY_DIR}/creelConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/CreelPreemptLoops.cmake DESTINATION ${package_dir})

install(FILES ${PROJECT_SOURCE_DIR}/scripts/creel-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/creel)

# The prefix in creel.pc follows the file, so an installation may be moved (and --prefix given at install time).
file(RELATIVE_PATH CREEL_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" CREEL_PC_PREFIX "${CREEL_PC_PREFIX}")
get_target_property(flags creel_flags INTERFACE_COMPILE_OPTIONS)
get_target_property(definitions creel_flags INTERFACE_COMPILE_DEFINITIONS)
get_target_property(link_flags creel_flags INTERFACE_LINK_OPTIONS)
foreach(list flags definitions link_flags)
  if(NOT ${list})
    set(${list} "")
  endif()
endforeach()
list(TRANSFORM definitions PREPEND -D)
list(JOIN flags " " CREEL_PC_CFLAGS)
list(JOIN definitions " " definitions)
string(STRIP "${CREEL_PC_CFLAGS} ${definitions}" CREEL_PC_CFLAGS)
list(JOIN link_flags " " CREEL_PC_LDFLAGS)
set(CREEL_PC_SWITCH "")
if(CREEL_SWITCH_LIBRARY)
  set(CREEL_PC_SWITCH " -lboost_context")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/creel.pc.in ${PROJECT_BINARY_DIR}/creel.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/creel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
