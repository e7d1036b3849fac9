#include "train/saved_weights.h"

#include <cmath>

#include "backend/elementwise.h"
#include "core/finite_values.h"
#include "core/rounding.h"
#include "model/huggingface_folder.h"

namespace cola {
namespace {

const std::string save_dtype_option = "--save-dtype";

/// Whether what is computed with differs from what is read again: a bf16 matrix is rounded already.
bool is_rounded(const Weights& weights, const Parameter& parameter, const SavedDtype& dtype) {
  const DType saved = dtype.of(weights, parameter);
  return saved != DType::f32 && saved != parameter.value.plain().dtype;
}

void download_master(const Parameter& parameter, std::span<float> values) {
  parameter.memory->download(std::as_bytes(parameter.training->master.floats()).data(),
                             std::as_writable_bytes(values).data(), values.size_bytes());
}

}  // namespace

SavedDtype saved_dtype(const std::string& option, DType file_dtype) {
  if (option == "auto") return {std::nullopt, file_dtype};
  const DType given = parse_dtype(option);
  return {given, given};
}

bool round_as_saved(ops::Context& context, Weights& weights, const SavedDtype& dtype) {
  bool any = false;
  for (const auto& parameter : weights.all()) {
    if (!is_rounded(weights, *parameter, dtype)) continue;
    const DType saved = dtype.of(weights, *parameter);
    ops::convert(context, parameter->training->master.view(), parameter->training->gradient.view());
    write_from_host(*parameter->memory, parameter->training->master.floats(), [&](std::span<float> values) {
      if (!parameter->memory->is_host()) download_master(*parameter, values);
      round_to(saved, values);
      if (all_finite(values)) return;
      const FloatsOnHost trained(*parameter->memory, parameter->training->gradient.floats());
      const std::size_t index = first_not_finite(std::as_bytes(values), DType::f32);
      refuse_to_write(parameter->spec.name, trained.values()[index], saved, save_dtype_option);
    });
    Weights::refresh(context, *parameter);
    any = true;
  }
  return any;
}

void restore_trained(ops::Context& context, Weights& weights, const SavedDtype& dtype) {
  for (const auto& parameter : weights.all()) {
    if (!is_rounded(weights, *parameter, dtype)) continue;
    ops::convert(context, parameter->training->gradient.view(), parameter->training->master.view());
    Weights::refresh(context, *parameter);
  }
}

double write_trained_weights(const std::filesystem::path& folder, const std::filesystem::path& source,
                             const Weights& weights, const SavedDtype& dtype) {
  double squared_error = 0.0;
  double squared_change = 0.0;
  std::vector<float> original;
  write_huggingface_folder(folder, source, weights, dtype.given, save_dtype_option, default_max_shard_bytes,
                           [&](const Parameter& parameter, std::span<float> values) {
                             download_master(parameter, values);
                             const DType saved = dtype.of(weights, parameter);
                             if (saved == DType::f32) return;
                             squared_error += squared_rounding_error(values, saved);
                             original.resize(values.size());
                             weights.read_original(parameter, original);
                             for (std::size_t i = 0; i < values.size(); ++i) {
                               const double change =
                                   static_cast<double>(values[i]) - static_cast<double>(original[i]);
                               squared_change += change * change;
                             }
                           });
  return squared_change > 0.0 ? std::sqrt(squared_error / squared_change) : 0.0;
}

}  // namespace cola
