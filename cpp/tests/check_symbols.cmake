# Reads the symbols of one instruction set's kernel object. The linker may keep one object's copy of a
# weak function for all of them, and constructors run before the instruction set is chosen; so an
# object exports its tables alone and has nothing to run at load.
#
#   cmake -DISA=avx2 -DNM=nm -DOBJDUMP=objdump -DOBJECTS=table.cpp.o -P check_symbols.cmake
set(wrong "")
set(tables 0)
foreach(object ${OBJECTS})
  execute_process(COMMAND ${NM} -C --defined-only ${object}
    OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" symbols "${symbols}")
  foreach(symbol ${symbols})
    if(symbol MATCHES "^[0-9a-f]* [T] gradstep::${ISA}::kernels_(float|double)\\(\\)")
      math(EXPR tables "${tables} + 1")
    elseif(symbol MATCHES "^[0-9a-f]* ([A-Zuvwi]) ")
      list(APPEND wrong "  ${symbol}")
    endif()
  endforeach()
  execute_process(COMMAND ${OBJDUMP} -h ${object}
    OUTPUT_VARIABLE sections COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "\\.(init_array|preinit_array|ctors)[^ ]*" constructors "${sections}")
  foreach(section ${constructors})
    list(APPEND wrong "  ${section}: runs at load")
  endforeach()
endforeach()
if(wrong)
  list(JOIN wrong "\n" wrong)
  message(FATAL_ERROR "the ${ISA} kernels must not have these:\n${wrong}")
endif()
if(NOT tables EQUAL 2)
  message(FATAL_ERROR "gradstep::${ISA} must export kernels_float() and kernels_double(), found ${tables}")
endif()
message(STATUS "${ISA}: ${tables} tables exported, nothing else")
