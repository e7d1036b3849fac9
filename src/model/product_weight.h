#pragma once
#include "backend/context.h"
#include "model/weights.h"

namespace cola {

class WeightStream;

/// The weight [out, in] that a linear layer's products read: a parameter's values, or merged ones in their
/// place, which are the layer's own: a parameter that another layer or a token table shares stays as it is.
/// While a WeightStream holds a copy of either on the device, products read the copy.
class ProductWeight {
 public:
  ProductWeight() = default;
  /// `parameter` outlives the weight.
  explicit ProductWeight(Parameter& parameter) : parameter_(&parameter) {}

  /// For products. Valid until values() change or the stream moves on.
  [[nodiscard]] ops::WeightView view() const {
    return resident_.empty() ? values().view() : ops::WeightView(resident_);
  }
  /// The values in use, in the parameter's memory, without regard to a copy. The reference is valid until the
  /// next use() or use_original().
  [[nodiscard]] const WeightValues& values() const { return is_merged() ? merged_ : parameter_->value; }
  [[nodiscard]] bool is_merged() const { return !merged_.empty(); }
  [[nodiscard]] Parameter& parameter() const { return *parameter_; }

  /// Uses merged values from here on: `sum` (f32 [out, in], in the context's memory, not kept), rounded to
  /// the dtype, in the layout and the memory that the parameter's values have. Throws Error if the memory
  /// cannot be had.
  void use(ops::Context& context, ConstMatrixView sum);
  /// Uses the parameter's values from here on; memory of merged ones is given back.
  void use_original();

  /// Of values in the host's memory: `stream` (null: none) brings them to the device. It outlives this, or
  /// takes itself away.
  void stream_from(WeightStream* stream) { stream_ = stream; }
  /// The copy that the stream brought, of values() at that time; empty once it is not there any more.
  void set_resident(ConstMatrixView copy) { resident_ = copy; }

 private:
  Parameter* parameter_ = nullptr;
  WeightValues merged_;  ///< empty: the parameter's values are used
  WeightStream* stream_ = nullptr;
  ConstMatrixView resident_;
};

}  // namespace cola
