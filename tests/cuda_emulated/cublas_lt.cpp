#include <cublasLt.h>

#include <cstring>

#include "core/dtype.h"
#include "emulator.h"

// NOLINTBEGIN(readability-identifier-naming,readability-non-const-parameter): cuBLASLt's signatures
namespace {

double read(const void* data, cudaDataType_t type, std::int64_t index) {
  if (type == CUDA_R_32F) return static_cast<double>(static_cast<const float*>(data)[index]);
  return static_cast<double>(static_cast<float>(static_cast<const cola::BFloat16*>(data)[index]));
}

void write(void* data, cudaDataType_t type, std::int64_t index, double value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(data)[index] = static_cast<float>(value);
  } else {
    static_cast<cola::BFloat16*>(data)[index] = cola::BFloat16(static_cast<float>(value));
  }
}

/// Element (row, col) of op(matrix), column-major.
double element(const void* data, const cublasLtMatrixLayoutOpaque_t& layout, cublasOperation_t operation,
               std::int64_t row, std::int64_t col) {
  return read(data, layout.type, operation == CUBLAS_OP_N ? col * layout.ld + row : row * layout.ld + col);
}

std::uint64_t rows_of(const cublasLtMatrixLayoutOpaque_t& layout, cublasOperation_t operation) {
  return operation == CUBLAS_OP_N ? layout.rows : layout.cols;
}
std::uint64_t cols_of(const cublasLtMatrixLayoutOpaque_t& layout, cublasOperation_t operation) {
  return operation == CUBLAS_OP_N ? layout.cols : layout.rows;
}

bool fits(const cublasLtMatmulDescOpaque_t& description, const cublasLtMatrixLayoutOpaque_t& a,
          const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& d) {
  const auto is_wide = [](const cublasLtMatrixLayoutOpaque_t& layout) {
    return layout.ld >= static_cast<std::int64_t>(layout.rows);
  };
  return rows_of(a, description.transa) == d.rows && cols_of(b, description.transb) == d.cols &&
         cols_of(a, description.transa) == rows_of(b, description.transb) && is_wide(a) && is_wide(b) &&
         is_wide(d);
}

bool adds_bias(cublasLtEpilogue_t epilogue) {
  return epilogue == CUBLASLT_EPILOGUE_BIAS || epilogue == CUBLASLT_EPILOGUE_RELU_BIAS ||
         epilogue == CUBLASLT_EPILOGUE_RELU_AUX_BIAS;
}
bool has_mask(cublasLtEpilogue_t epilogue) { return (epilogue & 128) != 0; }
bool mask_fits(const cublasLtMatmulDescOpaque_t& description, const cublasLtMatrixLayoutOpaque_t& d) {
  return !has_mask(description.epilogue) || (description.aux != nullptr && description.aux_ld % 128 == 0 &&
                                             description.aux_ld >= static_cast<std::int64_t>(d.rows) &&
                                             reinterpret_cast<std::uintptr_t>(description.aux) % 16 == 0);
}

double through_relu(const cublasLtMatmulDescOpaque_t& description, std::int64_t row, std::int64_t col,
                    double value) {
  const auto epilogue = description.epilogue;
  if (epilogue == CUBLASLT_EPILOGUE_DEFAULT || epilogue == CUBLASLT_EPILOGUE_BIAS) return value;
  const std::int64_t bit = col * description.aux_ld + row;
  auto* byte = static_cast<std::uint8_t*>(description.aux) + bit / 8;
  const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
  if (epilogue == CUBLASLT_EPILOGUE_DRELU) return (*byte & mask) != 0 ? value : 0.0;
  if (has_mask(epilogue)) *byte = static_cast<std::uint8_t>(value > 0.0 ? *byte | mask : *byte & ~mask);
  return value > 0.0 ? value : 0.0;
}

bool is_aligned(const void* data, std::uint32_t bytes) {
  return reinterpret_cast<std::uintptr_t>(data) % bytes == 0;
}

}  // namespace

const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_INVALID_VALUE ? "invalid value" : "not supported";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = nullptr;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t /*handle*/) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulDescInit(cublasLtMatmulDesc_t description, cublasComputeType_t /*compute*/,
                                      cudaDataType_t /*scale*/) {
  *description = {CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, CUDA_R_32F, nullptr, nullptr, 0};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              std::size_t bytes) {
  const auto copy_to = [&](auto& member) {
    if (bytes != sizeof(member)) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&member, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return copy_to(description->transa);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return copy_to(description->transb);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return copy_to(description->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return copy_to(description->bias);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return copy_to(description->bias_type);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
      return copy_to(description->aux);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      return copy_to(description->aux_ld);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutInit(cublasLtMatrixLayout_t layout, cudaDataType_t type,
                                        std::uint64_t rows, std::uint64_t cols, std::int64_t ld) {
  *layout = {type, rows, cols, ld};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtMatmulPreferenceOpaque_t{{256, 256, 256, 256}};  // NOLINT: as there, a handle
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;  // NOLINT: of the function above
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, std::size_t bytes) {
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
    return bytes == 8 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
  if (bytes != 4) return CUBLAS_STATUS_INVALID_VALUE;
  if (attribute >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES)
    std::memcpy(&preference->alignments[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value,
                bytes);
  return CUBLAS_STATUS_SUCCESS;
}

/// Like some versions there: a bias has the result's dtype, or there is no algorithm.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t /*handle*/, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  *found = 0;
  if (wanted < 1 || !fits(*description, *a, *b, *d) || c->type != d->type || c->rows != d->rows ||
      c->cols != d->cols)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (adds_bias(description->epilogue) && description->bias_type != d->type)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  // So that the way without them is taken too.
  if (has_mask(description->epilogue) && (d->rows % 8 != 0 || d->type != CUDA_R_16BF))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  std::memcpy(results->algo.alignments, preference->alignments, sizeof(preference->alignments));
  results->state = CUBLAS_STATUS_SUCCESS;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t /*handle*/, const cublasLtMatmulDescOpaque_t* description,
                              const void* alpha, const void* a, const cublasLtMatrixLayoutOpaque_t* a_layout,
                              const void* b, const cublasLtMatrixLayoutOpaque_t* b_layout, const void* beta,
                              const void* c, const cublasLtMatrixLayoutOpaque_t* c_layout, void* d,
                              const cublasLtMatrixLayoutOpaque_t* d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* /*workspace*/,
                              std::size_t /*bytes*/, cudaStream_t stream) {
  const std::uint32_t* promised = algorithm->alignments;
  if (!fits(*description, *a_layout, *b_layout, *d_layout) || !is_aligned(a, promised[0]) ||
      !is_aligned(b, promised[1]) || !is_aligned(c, promised[2]) || !is_aligned(d, promised[3]) ||
      !mask_fits(*description, *d_layout))
    return CUBLAS_STATUS_INVALID_VALUE;
  const double scale = static_cast<double>(*static_cast<const float*>(alpha));
  const double keep = static_cast<double>(*static_cast<const float*>(beta));
  const auto work = [=, description = *description, a_layout = *a_layout, b_layout = *b_layout,
                     c_layout = *c_layout, d_layout = *d_layout] {
    const auto depth = static_cast<std::int64_t>(cols_of(a_layout, description.transa));
    for (std::int64_t col = 0; col < static_cast<std::int64_t>(d_layout.cols); ++col) {
      for (std::int64_t row = 0; row < static_cast<std::int64_t>(d_layout.rows); ++row) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < depth; ++k) {
          sum += element(a, a_layout, description.transa, row, k) *
                 element(b, b_layout, description.transb, k, col);
        }
        double value = scale * sum;
        if (keep != 0.0) value += keep * read(c, c_layout.type, col * c_layout.ld + row);
        if (adds_bias(description.epilogue)) value += read(description.bias, description.bias_type, row);
        value = through_relu(description, row, col, value);
        write(d, d_layout.type, col * d_layout.ld + row, value);
      }
    }
    return cudaSuccess;
  };
  return cola::emulation::submit(stream, work) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                              : CUBLAS_STATUS_INVALID_VALUE;
}
// NOLINTEND(readability-identifier-naming,readability-non-const-parameter)
