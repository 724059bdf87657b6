# Adds the target kernels_bench. Finds nanobench.h in -DNANOBENCH_INCLUDE_DIR=..., on the system, or by download
# of the pinned release; where none of these works the target is left out with a message and nothing fails.
set(NANOBENCH_URL https://raw.githubusercontent.com/martinus/nanobench/v4.3.11/src/include/nanobench.h)
set(NANOBENCH_SHA256 7d20cc0daed3f56341ccd9b5c4b1b25b2f064d76638a5ba0304a5795a32cc1b6)

find_path(NANOBENCH_INCLUDE_DIR nanobench.h)
if(NOT NANOBENCH_INCLUDE_DIR)
  set(header ${CMAKE_BINARY_DIR}/nanobench/nanobench.h)
  file(DOWNLOAD ${NANOBENCH_URL} ${header} TIMEOUT 30 STATUS status)
  list(GET status 0 code)
  if(code EQUAL 0)
    file(SHA256 ${header} sum)
  endif()
  if(code EQUAL 0 AND sum STREQUAL NANOBENCH_SHA256)
    set(NANOBENCH_INCLUDE_DIR ${CMAKE_BINARY_DIR}/nanobench CACHE PATH "Folder of nanobench.h" FORCE)
  else()
    file(REMOVE ${header})
  endif()
endif()

if(NANOBENCH_INCLUDE_DIR)
  add_executable(kernels_bench EXCLUDE_FROM_ALL bench/kernels.cpp)
  target_include_directories(kernels_bench SYSTEM PRIVATE ${NANOBENCH_INCLUDE_DIR})
  target_link_libraries(kernels_bench PRIVATE lamina_core)
else()
  message(STATUS "kernels_bench is left out: nanobench.h was not found and could not be downloaded; "
                 "give its folder as -DNANOBENCH_INCLUDE_DIR=...")
endif()
