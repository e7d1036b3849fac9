#include <vector>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/lora.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {
namespace {

void count(Context& context, ConstMatrixView wide, std::int64_t rank) {
  context.add_flops(2 * static_cast<std::uint64_t>(wide.rows * wide.cols) * static_cast<std::uint64_t>(rank));
}

template <class T>
launch::ThinDot<T> dot(Context& context, ConstMatrixView wide, launch::Thin<const float> thin,
                       std::int64_t rank, float scale, MatrixView out) {
  count(context, wide, rank);
  return {wide.cols, rank, scale, rows_of<T>(wide), thin, rows_of<float>(out)};
}

template <class T>
launch::ThinExpand<T> expand(Context& context, ConstMatrixView u, launch::Thin<const float> thin, float scale,
                             MatrixView wide) {
  count(context, wide, u.cols);
  return {wide.cols, u.cols, scale, rows_of<float>(u), thin, rows_of<T>(wide)};
}

template <class T>
launch::ThinOuter<T> outer(Context& context, ConstMatrixView u, ConstMatrixView wide, float scale,
                           launch::Thin<float> thin) {
  count(context, wide, u.cols);
  return {wide.cols, u.cols, scale, rows_of<float>(u), rows_of<T>(wide), thin};
}

template <class T>
void run_outers(Context& context, std::int64_t rows, std::span<const launch::ThinOuter<T>> products,
                std::string_view op) {
  const MatrixView scratch =
      context.scratch("cuda thin outer", DType::f32, 1, launch::thin_outers_scratch<T>(rows, products));
  require(launch::thin_outers<T>(backend_of(context).queue(), rows, products, scratch.as<float>()), op);
}

}  // namespace

void lora_forward(Context& context, ConstMatrixView x, std::span<const LoraForward> branches) {
  with_element_type(x.dtype, "lora_forward", [&]<class T>(T) {
    std::vector<launch::ThinDot<T>> dots;
    for (const auto& [a, b, scale, u, y] : branches)
      dots.push_back(dot<T>(context, x, launch::thin_a(rows_of<float>(a)), a.rows, 1.0F, u));
    require(launch::thin_dots<T>(backend_of(context).queue(), x.rows, dots), "lora_forward");
  });
  const auto expand_into = [&]<class T>(T) {
    std::vector<launch::ThinExpand<T>> expands;
    for (const auto& [a, b, scale, u, y] : branches) {
      if (!y.empty() && y.dtype == dtype_of<T>)
        expands.push_back(expand<T>(context, u, launch::thin_b(rows_of<float>(b)), scale, y));
    }
    require(launch::thin_expands<T>(backend_of(context).queue(), x.rows, expands), "lora_forward");
  };
  expand_into(float{});
  expand_into(BFloat16{});
}

void lora_backward_b(Context& context, std::span<const LoraBackwardB> branches) {
  if (branches.empty()) return;
  const std::int64_t rows = branches.front().dy.rows;
  with_element_type(branches.front().dy.dtype, "lora_backward_b", [&]<class T>(T) {
    std::vector<launch::ThinDot<T>> dots;
    std::vector<launch::ThinOuter<T>> outers;
    for (const auto& [dy, u, b, scale, du, db] : branches) {
      dots.push_back(dot<T>(context, dy, launch::thin_b(rows_of<float>(b)), b.cols, scale, du));
      if (!db.empty()) outers.push_back(outer<T>(context, u, dy, scale, launch::thin_b(rows_of<float>(db))));
    }
    require(launch::thin_dots<T>(backend_of(context).queue(), rows, dots), "lora_backward_b");
    run_outers<T>(context, rows, outers, "lora_backward_b");
  });
}

void lora_backward_a(Context& context, ConstMatrixView x, std::span<const LoraBackwardA> branches,
                     MatrixView dx) {
  if (!x.empty()) {
    with_element_type(x.dtype, "lora_backward_a", [&]<class T>(T) {
      std::vector<launch::ThinOuter<T>> outers;
      for (const auto& [du, a, da] : branches) {
        if (!da.empty()) outers.push_back(outer<T>(context, du, x, 1.0F, launch::thin_a(rows_of<float>(da))));
      }
      run_outers<T>(context, x.rows, outers, "lora_backward_a");
    });
  }
  if (dx.empty()) return;
  with_element_type(dx.dtype, "lora_backward_a", [&]<class T>(T) {
    std::vector<launch::ThinExpand<T>> expands;
    for (const auto& [du, a, da] : branches)
      expands.push_back(expand<T>(context, du, launch::thin_a(rows_of<float>(a)), 1.0F, dx));
    require(launch::thin_expands<T>(backend_of(context).queue(), dx.rows, expands), "lora_backward_a");
  });
}

void lora_delta(Context& context, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView delta) {
  const auto product = expand<float>(context, b, launch::thin_a(rows_of<float>(a)), scale, delta);
  require(launch::thin_expands<float>(backend_of(context).queue(), delta.rows, {&product, 1}), "lora_delta");
}

}  // namespace cola::ops::cuda
