# libcola_cuda.so: all that needs NVIDIA's libraries, loaded at run time (backend/cuda_loader.cpp).
set(folder ${CMAKE_CURRENT_SOURCE_DIR}/backend/cuda)
file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp ${folder}/kernels/*.cpp ${folder}/kernels/*.cu)
add_library(cola_cuda MODULE ${sources} backend/attention_pairs.cpp backend/context.cpp)
target_include_directories(cola_cuda PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(cola_cuda SYSTEM PRIVATE ${cola_cublaslt_include})
target_compile_definitions(cola_cuda PRIVATE COLA_VERSION="${PROJECT_VERSION}")
target_compile_options(cola_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra $<$<BOOL:${COLA_WERROR}>:-Werror=all-warnings>>)
target_link_libraries(cola_cuda PRIVATE cola_core cola_options fmt::fmt CUDA::cublasLt CUDA::cudart_static
                                        ${CMAKE_DL_LIBS})
# It shows one function; whatever else it shares with the program it has of its own.
set_target_properties(cola_cuda PROPERTIES
  CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
  CUDA_RUNTIME_LIBRARY Static LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/cola)
target_link_options(cola_cuda PRIVATE -Wl,--exclude-libs,ALL -Wl,--no-undefined)
