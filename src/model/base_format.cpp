#include "model/base_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "model/gguf_mixture.h"
#include "model/weight_names.h"

namespace cola {

BaseFormat parse_base_format(const std::string& base_dtype, const std::string& quantize_base) {
  if (base_dtype != "keep" && base_dtype != "bf16" && base_dtype != "f32")
    throw UsageError(fmt::format("--base-dtype '{}' is not one of: keep, bf16, f32", base_dtype));
  BaseFormat format{.keep_quantized = base_dtype == "keep", .quantize = std::nullopt};
  if (quantize_base.empty() || quantize_base == "none") return format;
  if (!format.keep_quantized) throw UsageError("--base-dtype and --quantize-base exclude each other");
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::q4_k})
    if (quantize_base == name_of(dtype)) format.quantize = dtype;
  if (!format.quantize)
    throw UsageError(
        fmt::format("--quantize-base '{}' is not one of: q8_0, q4_0, q4_k, none", quantize_base));
  return format;
}

std::string compute_dtype_option(const std::string& dtype, const std::string& base_dtype) {
  if (base_dtype == "keep") return dtype;
  if (dtype != "auto" && dtype != base_dtype) {
    throw UsageError(
        fmt::format("--base-dtype {} needs --dtype {}: weights are multiplied in the dtype that "
                    "they are expanded to",
                    base_dtype, base_dtype));
  }
  return base_dtype;
}

std::optional<DType> quantized_dtype(const DecoderSpec& config, const ParameterSpec& spec, DType wanted) {
  if (spec.role == ParameterRole::position_table) return std::nullopt;
  const DType dtype = gguf_dtype(config, spec, wanted);
  return is_quantized(dtype) ? std::optional(dtype) : std::nullopt;
}

DType dtype_in_memory(const DecoderSpec& config, const ParameterSpec& spec, DType in_file,
                      DType compute_dtype, const BaseFormat& format) {
  if (!spec.is_matrix()) return DType::f32;
  if (is_quantized(in_file) && format.keep_quantized) return in_file;
  if (format.quantize) return quantized_dtype(config, spec, *format.quantize).value_or(compute_dtype);
  return compute_dtype;
}

BaseSize size_in_memory(const DecoderSpec& config, const TensorSource& source, DType compute_dtype,
                        const BaseFormat& format, const ops::Backend& backend) {
  BaseSize size;
  const auto tensors = match_tensors(config, source);
  for (const ParameterSpec& spec : parameter_specs(config)) {
    const DType dtype = dtype_in_memory(config, spec, tensors.at(spec.name)->dtype, compute_dtype, format);
    if (is_quantized(dtype)) {
      size.quantized = true;
      const std::int64_t cols = spec.shape.back();
      size.expansion_bytes =
          std::max(size.expansion_bytes,
                   backend.expansion_bytes(compute_dtype, {nullptr, dtype, spec.shape.front(), cols, cols}));
    }
    size.bytes += bytes_of(dtype, spec.size());
  }
  return size;
}

bool has_quantized(const TensorSource& source) {
  return std::ranges::any_of(source.tensors(),
                             [](const auto& entry) { return is_quantized(entry.second.dtype); });
}

void require_not_quantized_twice(const BaseFormat& format, const TensorSource& source,
                                 const std::filesystem::path& model) {
  if (!format.quantize || !has_quantized(source)) return;
  throw UsageError(fmt::format("--quantize-base: the weights of {} are quantised already", model.string()));
}

}  // namespace cola
