# Installs the build folder BUILD below FOLDER, moves the result, configures CONSUMER with it, builds and runs that.
# The first C++ example of README is built with it.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(JOIN " " command ${ARGN})
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${FOLDER})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${FOLDER}/installed)
file(RENAME ${FOLDER}/installed ${FOLDER}/prefix)  # what is installed names no folder of this machine

file(READ ${README} readme)
if(NOT readme MATCHES "```cpp\n([^`]*)```")
  message(FATAL_ERROR "${README} has no C++ example")
endif()
file(WRITE ${FOLDER}/readme_example.cpp "${CMAKE_MATCH_1}")

run(${CMAKE_COMMAND} -S ${CONSUMER} -B ${FOLDER}/build -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${FOLDER}/prefix -DWANTED_VERSION=${VERSION}
    -DREADME_EXAMPLE=${FOLDER}/readme_example.cpp)
run(${CMAKE_COMMAND} --build ${FOLDER}/build)
file(WRITE ${FOLDER}/data.jsonl "{\"input_ids\": [1, 5, 6, 7]}\n")
run(${FOLDER}/build/consumer ${MODEL} ${FOLDER}/data.jsonl)
if(NOT output MATCHES "cola ${VERSION}: loss [0-9.]+ over 3 tokens\n")
  message(FATAL_ERROR "the consumer printed '${output}'")
endif()

if(PROGRAM)
  run(${FOLDER}/prefix/bin/cola --help)
endif()
