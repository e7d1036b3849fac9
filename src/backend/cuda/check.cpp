#include "backend/cuda/check.h"

#include <fmt/format.h>

#include "core/error.h"

namespace cola::ops::cuda {

void require(cudaError_t result, std::string_view what) {
  if (result == cudaSuccess) return;
  throw Error(fmt::format("CUDA: {}: {} ({})", what, cudaGetErrorString(result), cudaGetErrorName(result)));
}

void require(cublasStatus_t result, std::string_view what) {
  if (result == CUBLAS_STATUS_SUCCESS) return;
  throw Error(fmt::format("cuBLASLt: {}: {}", what, cublasLtGetStatusString(result)));
}

}  // namespace cola::ops::cuda
