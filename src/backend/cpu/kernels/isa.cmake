# Every kernels/*.isa.cpp is compiled once for each instruction set, into its own namespace
# (cola::kernels::COLA_ISA_NAMESPACE); kernels/*.cpp choose between them at run time by cola::ops::cpu_isa().
# Such a file includes no header with inline functions that are not always inlined: the linker keeps one copy of an
# inline function, and it could keep one that an older processor cannot run.
file(GLOB isa_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/backend/cpu/kernels/*.isa.cpp)
if(isa_sources)
  set(isa_flags_baseline "")
  set(isa_flags_avx2 -march=x86-64-v3)
  set(isa_flags_avx512 -march=x86-64-v4 -mprefer-vector-width=512)
  set(isa_flags_avx512_bf16 -march=x86-64-v4 -mavx512bf16 -mavx512vnni -mprefer-vector-width=512)
  foreach(isa baseline avx2 avx512 avx512_bf16)
    add_library(cola_kernels_${isa} OBJECT ${isa_sources})
    target_compile_definitions(cola_kernels_${isa} PRIVATE COLA_ISA_NAMESPACE=isa_${isa})
    target_compile_options(cola_kernels_${isa} PRIVATE ${isa_flags_${isa}} -O3 -fopenmp-simd -ffp-contract=fast
                                                       -fno-math-errno -fno-trapping-math)
    target_include_directories(cola_kernels_${isa} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(cola_kernels_${isa} PRIVATE cola_options)
    target_sources(cola_backend PRIVATE $<TARGET_OBJECTS:cola_kernels_${isa}>)
  endforeach()
endif()

# kernels/*.amx.cpp where the compiler and its assembler know AMX, else kernels/*.no_amx.cpp in their place.
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("
  int main() {
    asm volatile(\"tdpbf16ps %tmm2, %tmm1, %tmm0\");
    return __builtin_cpu_supports(\"amx-tile\") && __builtin_cpu_supports(\"amx-bf16\");
  }" COLA_COMPILER_HAS_AMX)
file(GLOB amx_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/backend/cpu/kernels/*.amx.cpp)
file(GLOB no_amx_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/backend/cpu/kernels/*.no_amx.cpp)
if(COLA_COMPILER_HAS_AMX)
  target_sources(cola_backend PRIVATE ${amx_sources})
else()
  target_sources(cola_backend PRIVATE ${no_amx_sources})
endif()
