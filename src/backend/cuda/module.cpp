#include "backend/cuda_module.h"

#include "backend/cuda/cuda_backend.h"

// The one function that libcola_cuda.so shows.
extern "C" [[gnu::visibility("default")]] const cola::ops::CudaModule* cola_cuda_module() {
  using namespace cola::ops;  // NOLINT(google-build-using-namespace): of this function
  static const std::string build = cuda_module_build();
  static const CudaModule module = {
      build.c_str(),
      [](int device) { return cuda::why_unusable(device); },
      [](int device) -> std::shared_ptr<Backend> { return std::make_shared<cuda::CudaBackend>(device); },
      [] { return cuda::device_places(); },
  };
  return &module;
}
