#include "backend/cuda/kernels/lora.h"

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {
namespace {

void count(Context& context, ConstMatrixView wide, std::int64_t rank) {
  context.add_flops(2 * static_cast<std::uint64_t>(wide.rows * wide.cols) * static_cast<std::uint64_t>(rank));
}

/// out [T, r] = scale wide [T, C] thin^T, thin [r, C].
void dot(Context& context, ConstMatrixView wide, ConstMatrixView thin, float scale, MatrixView out,
         std::string_view op) {
  count(context, wide, thin.rows);
  with_element_type(wide.dtype, op, [&]<class T>(T) {
    require(launch::thin_dot<T>(backend_of(context).queue(), wide.rows, wide.cols, thin.rows, scale,
                                rows_of<T>(wide), rows_of<float>(thin), rows_of<float>(out)),
            op);
  });
}

/// wide [T, C] += scale u [T, r] thin.
void expand(Context& context, ConstMatrixView u, launch::Thin<const float> thin, float scale, MatrixView wide,
            std::string_view op) {
  count(context, wide, u.cols);
  with_element_type(wide.dtype, op, [&]<class T>(T) {
    require(launch::thin_expand<T>(backend_of(context).queue(), wide.rows, wide.cols, u.cols, scale,
                                   rows_of<float>(u), thin, rows_of<T>(wide)),
            op);
  });
}

/// thin += scale u^T wide.
void outer(Context& context, ConstMatrixView u, ConstMatrixView wide, float scale, launch::Thin<float> thin,
           std::string_view op) {
  count(context, wide, u.cols);
  const MatrixView scratch = context.scratch("cuda thin outer", DType::f32, 1,
                                             launch::thin_outer_scratch(wide.rows, wide.cols, u.cols));
  with_element_type(wide.dtype, op, [&]<class T>(T) {
    require(launch::thin_outer<T>(backend_of(context).queue(), wide.rows, wide.cols, u.cols, scale,
                                  rows_of<float>(u), rows_of<T>(wide), scratch.as<float>(), thin),
            op);
  });
}

}  // namespace

void lora_forward(Context& context, ConstMatrixView x, ConstMatrixView a, ConstMatrixView b, float scale,
                  MatrixView u, MatrixView y) {
  dot(context, x, a, 1.0F, u, "lora_forward");
  if (!y.empty()) expand(context, u, launch::thin_b(rows_of<float>(b)), scale, y, "lora_forward");
}

void lora_backward_b(Context& context, ConstMatrixView dy, ConstMatrixView u, ConstMatrixView b, float scale,
                     MatrixView du, MatrixView db) {
  const MatrixView transposed = context.scratch("cuda lora b transposed", DType::f32, b.cols, b.rows);
  require(launch::transpose(backend_of(context).queue(), b.rows, b.cols, rows_of<float>(b),
                            rows_of<float>(transposed)),
          "lora_backward_b");
  dot(context, dy, transposed, scale, du, "lora_backward_b");
  if (!db.empty()) outer(context, u, dy, scale, launch::thin_b(rows_of<float>(db)), "lora_backward_b");
}

void lora_backward_a(Context& context, ConstMatrixView du, ConstMatrixView x, ConstMatrixView a,
                     MatrixView da, MatrixView dx) {
  if (!da.empty()) outer(context, du, x, 1.0F, launch::thin_a(rows_of<float>(da)), "lora_backward_a");
  if (!dx.empty()) expand(context, du, launch::thin_a(rows_of<float>(a)), 1.0F, dx, "lora_backward_a");
}

void lora_delta(Context& context, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView delta) {
  expand(context, b, launch::thin_a(rows_of<float>(a)), scale, delta, "lora_delta");
}

}  // namespace cola::ops::cuda
