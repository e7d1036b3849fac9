#include "backend/cuda/kernels/rotary.h"

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {

void rotary(Context& context, MatrixView x, std::int64_t head_dim, std::span<const std::int32_t> positions,
            ConstMatrixView cos, ConstMatrixView sin, bool inverse) {
  CudaBackend& backend = backend_of(context);
  const std::int32_t* rows = backend.host_arrays().on_device(positions);
  with_element_type(x.dtype, "rotary", [&]<class T>(T) {
    require(launch::rotary<T>(backend.queue(), x.rows, x.cols / head_dim, head_dim, cos.cols, rows_of<T>(x),
                              rows, rows_of<float>(cos), rows_of<float>(sin), inverse),
            "rotary");
  });
}

}  // namespace cola::ops::cuda
