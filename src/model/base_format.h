#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "core/dtype.h"
#include "io/tensor_source.h"
#include "model/parameter_spec.h"

namespace cola {

/// How the frozen matrices of a model lie in memory: what --base-dtype and --quantize-base say. Vectors are
/// f32.
struct BaseFormat {
  bool keep_quantized = true;     ///< quantised ones stay as they are in the file; else they are expanded
  std::optional<DType> quantize;  ///< others become quantised when they are loaded: see quantized_dtype

  bool operator==(const BaseFormat&) const = default;
};

/// The options' meaning. `base_dtype`: keep, bf16, f32; `quantize_base`: q8_0, q4_0, q4_k, or none or empty.
/// Throws UsageError for another, and where they contradict each other.
[[nodiscard]] BaseFormat parse_base_format(const std::string& base_dtype, const std::string& quantize_base);

/// `dtype` (--dtype) where it is not auto, else what --base-dtype asks for. Throws UsageError where they
/// differ.
[[nodiscard]] std::string compute_dtype_option(const std::string& dtype, const std::string& base_dtype);

/// What --quantize-base `wanted` makes of a parameter: what a file of that type has (gguf_dtype); nothing
/// where that is not quantised, and of a table of positions.
[[nodiscard]] std::optional<DType> quantized_dtype(const DecoderSpec& config, const ParameterSpec& spec,
                                                   DType wanted);

/// dtype of a parameter's values in memory; `in_file`: in the file.
[[nodiscard]] DType dtype_in_memory(const DecoderSpec& config, const ParameterSpec& spec, DType in_file,
                                    DType compute_dtype, const BaseFormat& format);

/// Whether a parameter of the file, or of what becomes of it, is quantised; bytes of all parameters in
/// memory.
struct BaseSize {
  bool quantized = false;
  std::int64_t bytes = 0;
  std::int64_t expansion_bytes = 0;  ///< in which products expand parts of them, on the backend
};
[[nodiscard]] BaseSize size_in_memory(const DecoderSpec& config, const TensorSource& source,
                                      DType compute_dtype, const BaseFormat& format,
                                      const ops::Backend& backend);

/// Whether a matrix of the file is quantised.
[[nodiscard]] bool has_quantized(const TensorSource& source);

/// Throws UsageError naming the model if the format asks to quantise one that is quantised already.
void require_not_quantized_twice(const BaseFormat& format, const TensorSource& source,
                                 const std::filesystem::path& model);

}  // namespace cola
