// In place of src/backend/cuda_loader.cpp: the CUDA backend itself, on the emulation.
#include "backend/cuda/cuda_backend.h"
#include "core/error.h"

namespace cola::ops {

bool cuda_is_usable() { return cuda::why_unusable(0).empty(); }

std::vector<std::string> cuda_devices() { return cuda::device_places(); }

std::shared_ptr<Backend> open_cuda_backend(int device) {
  if (const std::string why = cuda::why_unusable(device); !why.empty()) throw Error(why);
  return std::make_shared<cuda::CudaBackend>(device);
}

}  // namespace cola::ops
