#pragma once
#include <filesystem>
#include <string>

#include "backend/context.h"
#include "model/weights.h"

namespace cola {

/// How full fine-tuning saves its weights, which it trains in f32: `--save-dtype`, or as in the model's file.
struct SavedDtype {
  std::optional<DType> given;  ///< none: each tensor's in the file
  DType most = DType::f32;     ///< of most of what is saved

  [[nodiscard]] DType of(const Weights& weights, const Parameter& parameter) const {
    return given.value_or(weights.file_dtype(parameter));
  }
};

/// `option`: a dtype, or "auto".
[[nodiscard]] SavedDtype saved_dtype(const std::string& option, DType file_dtype);

/// Puts the weights as they would be read from a saved folder in the place of the trained ones, which wait in
/// the gradients, until restore_trained: what is evaluated is what is saved. Whether there was anything to
/// round.
bool round_as_saved(ops::Context& context, Weights& weights, const SavedDtype& dtype);
void restore_trained(ops::Context& context, Weights& weights, const SavedDtype& dtype);

/// Writes the trained weights as a Hugging Face folder beside the files of `source`. Frobenius norm of what
/// rounding did to them over that of what training did; 0 if nothing is rounded.
double write_trained_weights(const std::filesystem::path& folder, const std::filesystem::path& source,
                             const Weights& weights, const SavedDtype& dtype);

}  // namespace cola
