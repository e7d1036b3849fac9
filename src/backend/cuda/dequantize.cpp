#include "backend/cuda/dequantize.h"

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/dequantize.h"

namespace cola::ops::cuda {

void dequantize(Context& context, ConstMatrixView quantized, const std::int32_t* indices, MatrixView values) {
  const launch::QuantizedRows rows = {quantized.dtype, static_cast<const std::uint8_t*>(quantized.data),
                                      bytes_of(quantized.dtype, quantized.stride)};
  with_element_type(values.dtype, "dequantize", [&]<class T>(T) {
    require(launch::dequantize<T>(backend_of(context).queue(), values.rows, values.cols, rows, indices,
                                  rows_of<T>(values)),
            "dequantize");
  });
}

}  // namespace cola::ops::cuda
