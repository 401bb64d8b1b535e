# Cross builds by the Clang of Zig, which brings the headers and libraries of other systems with it
# (pip install ziglang):
#
#     GRADSTEP_ZIG_TARGET=aarch64-macos cmake --preset zig
#
# Targets: x86_64-macos, aarch64-macos, x86_64-windows-gnu, aarch64-linux-musl and so on.
set(target "$ENV{GRADSTEP_ZIG_TARGET}")
if(NOT target MATCHES "^([^-]+)-(linux|macos|windows)")
  message(FATAL_ERROR "GRADSTEP_ZIG_TARGET must name a target such as aarch64-macos, is '${target}'")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
if(CMAKE_MATCH_2 STREQUAL "linux")
  set(CMAKE_SYSTEM_NAME Linux)
elseif(CMAKE_MATCH_2 STREQUAL "windows")
  set(CMAKE_SYSTEM_NAME Windows)
else()
  set(CMAKE_SYSTEM_NAME Darwin)
  set(CMAKE_OSX_SYSROOT "" CACHE STRING "Zig has its own")
  set(CMAKE_INSTALL_NAME_TOOL true CACHE STRING "Nothing is installed")
endif()
set(CMAKE_CXX_COMPILER ${CMAKE_CURRENT_LIST_DIR}/c++)
set(CMAKE_AR ${CMAKE_CURRENT_LIST_DIR}/ar CACHE FILEPATH "Archiver")
set(CMAKE_RANLIB ${CMAKE_CURRENT_LIST_DIR}/ranlib CACHE FILEPATH "Indexer of archives")
# To link a program means to compile the libraries of its system first: nothing that CMake tries needs that.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
