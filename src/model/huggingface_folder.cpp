#include "model/huggingface_folder.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "backend/elementwise.h"
#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

template <class T>
void narrow(std::span<const float> values, std::span<std::byte> bytes) {
  auto* out = reinterpret_cast<T*>(bytes.data());
  for (std::size_t i = 0; i < values.size(); ++i) out[i] = T(values[i]);
}

void store(std::span<const float> values, DType dtype, std::span<std::byte> bytes) {
  switch (dtype) {
    case DType::f32:
      narrow<float>(values, bytes);
      return;
    case DType::bf16:
      narrow<BFloat16>(values, bytes);
      return;
    case DType::f16:
      narrow<Float16>(values, bytes);
      return;
    default:
      throw Error("weights are written as f32, bf16 or f16");
  }
}

std::string huggingface_name(DType dtype) {
  return dtype == DType::bf16 ? "bfloat16" : dtype == DType::f16 ? "float16" : "float32";
}

/// Whether the configuration ties a head that the weights have of their own.
bool ties_own_head(const Json& config, const Weights& weights) {
  const bool own_head = std::ranges::any_of(
      weights.all(), [](const auto& parameter) { return parameter->spec.name == "lm_head.weight"; });
  return own_head && parse_model_config(config, "config.json").tie_word_embeddings;
}

}  // namespace

void write_huggingface_folder(const std::filesystem::path& folder, const std::filesystem::path& source,
                              const Weights& weights, std::optional<DType> dtype,
                              std::int64_t max_shard_bytes,
                              const std::function<void(const Parameter&, std::span<float>)>& values) {
  std::vector<TensorToWrite> tensors;
  std::vector<float> buffer;
  for (const auto& parameter : weights.all()) {
    const DType target = dtype.value_or(weights.file_dtype(*parameter));
    tensors.push_back({parameter->spec.name, target, parameter->spec.shape,
                       [&, target, from = parameter.get()](std::span<std::byte> bytes) {
                         buffer.resize(static_cast<std::size_t>(from->spec.size()));
                         values(*from, buffer);
                         store(buffer, target, bytes);
                       }});
  }
  write_checkpoint(folder, tensors, max_shard_bytes);
  Json config = read_json_file(source / "config.json");
  if (dtype) config["torch_dtype"] = huggingface_name(*dtype);
  if (ties_own_head(config, weights)) config["tie_word_embeddings"] = false;
  write_text_file(folder / "config.json", config.dump(2) + "\n");
  for (const auto& file : tokenizer_files(source)) copy_file_durably(file, folder / file.filename());
}

}  // namespace cola
