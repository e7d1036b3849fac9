#pragma once
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <string_view>

namespace cola::ops::cuda {

/// Throws Error naming what was done and CUDA's reason, unless the result says that it could be. A kernel
/// that fails while it runs is found by a later call: the name is then where that was noticed.
void require(cudaError_t result, std::string_view what);
void require(cublasStatus_t result, std::string_view what);

}  // namespace cola::ops::cuda
