#include "model/product_weight.h"

#include "backend/elementwise.h"
#include "model/weight_stream.h"

namespace cola {

void ProductWeight::use(ops::Context& context, ConstMatrixView sum) {
  if (parameter_->value.packed() != nullptr) {
    merged_ = ops::PackedMatrix(sum);
    return;
  }
  if (stream_ != nullptr) stream_->forget();
  if (merged_.owned() == nullptr) merged_ = Matrix();
  Matrix& merged = *merged_.owned();  // its memory is used again
  merged.resize(*parameter_->memory, parameter_->value.plain().dtype, sum.rows, sum.cols);
  if (stream_ == nullptr) return ops::convert(context, sum, merged.view());
  Matrix rounded;  // by the device, as without a stream
  if (sum.dtype != merged.dtype()) {
    rounded.resize(context.memory(), merged.dtype(), sum.rows, sum.cols);
    ops::convert(context, sum, rounded.view());
    sum = rounded.view();
  }
  context.memory().download(static_cast<const std::byte*>(sum.data),
                            static_cast<std::byte*>(merged.view().data),
                            static_cast<std::size_t>(merged.size()) * size_of(merged.dtype()));
}

void ProductWeight::use_original() {
  if (stream_ != nullptr && is_merged()) stream_->forget();
  merged_ = WeightValues();
}

}  // namespace cola
