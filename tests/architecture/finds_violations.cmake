# check_layers.cmake must find what it is there for: each tree below has one violation, but the first none.
#   cmake -DCHECK=check_layers.cmake -DFOLDER=DIR -P finds_violations.cmake
cmake_minimum_required(VERSION 3.25)

# expect(NAME MESSAGE FILE CONTENT [FILE CONTENT]...): the check of a tree of these files fails with MESSAGE, or
# passes where MESSAGE is empty.
function(expect name message)
  set(root ${FOLDER}/${name})
  file(REMOVE_RECURSE ${root})
  set(files "${ARGN}")
  while(files)
    list(POP_FRONT files path content)
    file(WRITE ${root}/${path} "${content}\n")
  endwhile()
  execute_process(COMMAND ${CMAKE_COMMAND} -DROOT=${root} -P ${CHECK} RESULT_VARIABLE status ERROR_VARIABLE output)
  if(message STREQUAL "" AND NOT status EQUAL 0)
    message(SEND_ERROR "${name}: expected no violation, got:\n${output}")
  elseif(NOT message STREQUAL "" AND (status EQUAL 0 OR NOT output MATCHES "${message}"))
    message(SEND_ERROR "${name}: expected '${message}', got status ${status}:\n${output}")
  endif()
endfunction()

expect(clean ""
       src/core/a.h "#include <vector>" src/io/b.cpp "#include \"core/a.h\"\n#include <fmt/core.h>"
       src/backend/cpu/c.cpp "#include \"backend/d.h\"" src/backend/d.h "#include \"cola/version.h\""
       include/cola/version.h "#include <string_view>")
expect(layer_below "src/core/a.h: layer core includes io/b.h of a layer below it"
       src/core/a.h "#include \"io/b.h\"" src/io/b.h "")
expect(layer_below_in_angle_brackets "layer core includes io/b.h"
       src/core/a.h "#  include <io/b.h>" src/io/b.h "")
expect(folder_cycle "cycle between folders, among: backend backend/cpu"
       src/backend/a.h "#include \"backend/cpu/b.h\"" src/backend/cpu/c.h "#include \"backend/d.h\""
       src/backend/cpu/b.h "" src/backend/d.h "")
expect(header_cycle "cycle between headers, among: core/a.h core/b.h"
       src/core/a.h "#include \"core/b.h\"" src/core/b.h "#include \"core/a.h\"")
expect(reference "reference must not include"
       src/backend/ref/a.cpp "#include \"backend/cpu/b.h\"" src/backend/cpu/b.h "")
expect(unknown_folder "its folder is not a layer" src/util/a.h "")
expect(not_relative_to_src "\"b.h\" is not relative to src/" src/core/a.h "#include \"b.h\"" src/core/b.h "")
expect(public_header "only standard and cola/ headers, not fmt/core.h"
       src/core/a.h "" include/cola/a.h "#include <fmt/core.h>")
