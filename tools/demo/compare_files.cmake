# The files of share/demo that cola_demo_text writes must be what it writes now.
#   cmake -DPROGRAM=cola_demo_text -DFOLDER=DIR -DSHARE=share/demo -P compare_files.cmake
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${PROGRAM} ${FOLDER} COMMAND_ERROR_IS_FATAL ANY)
foreach(name model/vocab.json model/merges.txt model/tokenizer_config.json train.jsonl dev.jsonl)
  file(SHA256 ${FOLDER}/${name} written)
  file(SHA256 ${SHARE}/${name} kept)
  if(NOT written STREQUAL kept)
    message(SEND_ERROR "${SHARE}/${name} differs from what ${PROGRAM} writes: see docs/demo.md")
  endif()
endforeach()
