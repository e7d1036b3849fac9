// multiply() without oneDNN (-DCOLA_ONEDNN=OFF): slower; for programs that have a GPU to compute on.
#include "backend/cpu/gemm.h"

namespace cola::ops {

const std::string_view product_library = "our blocked product";

void multiply(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
              Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write) {
  multiply_blocked(context, a, transpose_a, b, transpose_b, bias, c, write);
}

}  // namespace cola::ops
