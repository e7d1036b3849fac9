#pragma once
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace cola::ops {

/// What libcola_cuda.so gives the program, by its one exported function. All that needs NVIDIA's libraries
/// lies behind it, so that a program built with CUDA starts where there are none.
struct CudaModule {
  const char* build = nullptr;                        ///< cuda_module_build() of the sources it was made from
  std::string (*why_unusable)(int device) = nullptr;  ///< driver or device at fault; "" if neither
  std::shared_ptr<Backend> (*open)(int device) = nullptr;
  std::vector<std::string> (*devices)() = nullptr;  ///< see cuda_devices()
};

inline constexpr const char* cuda_module_entry = "cola_cuda_module";
using CudaModuleEntry = const CudaModule* (*)();

/// Module and program exchange C++ objects: they are of one build or nothing. Raise the number when Backend,
/// OpTable, Context, Matrix or Memory change within a version.
[[nodiscard]] inline std::string cuda_module_build() {
  return std::string(COLA_VERSION) + "-2-" + std::to_string(sizeof(OpTable));
}

}  // namespace cola::ops
