#include "model/huggingface_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "core/error.h"
#include "core/stored_values.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "model/model_config.h"
#include "text/huggingface_tokenizer.h"

namespace cola {
namespace {

std::string huggingface_name(DType dtype) {
  return dtype == DType::bf16 ? "bfloat16" : dtype == DType::f16 ? "float16" : "float32";
}

/// With the values that it has.
TensorToWrite copy_of(const OtherTensor& other) {
  return {other.in_file, other.tensor->dtype, other.tensor->shape,
          [tensor = other.tensor](std::span<std::byte> bytes) {
            std::copy_n(tensor->data, bytes.size(), bytes.begin());
            release_pages(*tensor);
          }};
}

/// The dtype that holds all numbers that are written: f32 if any tensor is, else that of most bytes.
DType widest_dtype(const std::vector<TensorToWrite>& tensors) {
  std::map<DType, std::size_t> bytes;
  for (const auto& tensor : tensors) {
    if (tensor.dtype != DType::i64 && tensor.dtype != DType::i32) bytes[tensor.dtype] += tensor.bytes();
  }
  if (bytes.contains(DType::f32) || bytes.empty()) return DType::f32;
  return std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
}

/// Overwrites each `dtype` and `torch_dtype`, at any depth: readers differ in which of them they take.
void name_dtype(Json& config, const std::string& name) {
  for (auto& [key, value] : config.items()) {
    if (key != "dtype" && key != "torch_dtype") {
      if (value.is_structured()) name_dtype(value, name);
    } else if (value.is_object()) {  // of the parts of a model, by their names
      for (auto& part : value) part = name;
    } else {
      value = name;
    }
  }
}

/// Whether the configuration ties a head that the weights have of their own.
bool ties_own_head(const Json& config, const Weights& weights) {
  const bool own_head = std::ranges::any_of(
      weights.all(), [](const auto& parameter) { return parameter->spec.role == ParameterRole::head; });
  return own_head && parse_model_config(config, "config.json").tie_word_embeddings;
}

/// Which say nothing of what is trained here.
void copy_image_configs(const std::filesystem::path& folder, const std::filesystem::path& source) {
  for (const char* name : {"preprocessor_config.json", "processor_config.json"}) {  // of images
    if (std::filesystem::exists(source / name)) copy_file_durably(source / name, folder / name);
  }
}

}  // namespace

DType folder_dtype_of_gguf(DType in_file) { return is_quantized(in_file) ? DType::f16 : in_file; }

void refuse_to_write(const std::string& name, float value, DType dtype, const std::string& dtype_option) {
  if (!std::isfinite(value)) {
    throw Error(
        fmt::format("tensor '{}' would be written with {}: what was added to it is too large", name, value));
  }
  throw Error(fmt::format("tensor '{}' holds {}, which is too large for {}: use {} {}", name, value,
                          name_of(dtype), dtype_option, dtype == DType::f16 ? "bf16 or f32" : "f32"));
}

void write_huggingface_folder(const std::filesystem::path& folder, const std::filesystem::path& source,
                              const Weights& weights, std::optional<DType> dtype,
                              const std::string& dtype_option, std::int64_t max_shard_bytes,
                              const std::function<void(const Parameter&, std::span<float>)>& values) {
  std::vector<TensorToWrite> tensors;
  std::vector<float> buffer;
  for (const auto& parameter : weights.all()) {
    const DType target = dtype.value_or(weights.file_dtype(*parameter));
    tensors.push_back({weights.name_in_file(*parameter), target, parameter->spec.shape,
                       [&, target, from = parameter.get()](std::span<std::byte> bytes) {
                         buffer.resize(static_cast<std::size_t>(from->spec.size()));
                         values(*from, buffer);
                         store(buffer, target, bytes);
                         if (const auto lost = first_lost(buffer, target, bytes); lost < buffer.size())
                           refuse_to_write(from->spec.name, buffer[lost], target, dtype_option);
                       }});
  }
  for (const OtherTensor& other : weights.other_tensors()) tensors.push_back(copy_of(other));
  write_checkpoint(folder, tensors, max_shard_bytes);
  Json config = read_config_json(source);
  if (!config.contains("dtype")) config.emplace("torch_dtype", "");  // one at least
  name_dtype(config, huggingface_name(widest_dtype(tensors)));
  if (ties_own_head(config, weights)) config["tie_word_embeddings"] = false;
  write_text_file(folder / "config.json", config.dump(2) + "\n");
  write_tokenizer_files(folder, source);
  copy_image_configs(folder, source);
}

}  // namespace cola
