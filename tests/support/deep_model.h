#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "io/files.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "model/model_config.h"
#include "model/weights.h"
#include "support/parity.h"

namespace cola::test {

/// A parity model's shape with other blocks, of random weights in f32: more than fit a WeightStream's slots.
inline void write_deep_model(const std::filesystem::path& folder, const std::string& model,
                             std::int64_t blocks) {
  Json json = read_json_file(parity_folder(model) / "config.json");
  json["num_hidden_layers"] = blocks;
  const Weights weights(parse_model_config(json, model), 7, DType::f32);
  std::vector<TensorToWrite> tensors;
  for (const auto& parameter : weights.all()) {
    tensors.push_back({parameter->spec.name, DType::f32, parameter->spec.shape,
                       [&weights, from = parameter.get()](std::span<std::byte> bytes) {
                         weights.read_original(
                             *from, {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)});
                       }});
  }
  std::filesystem::create_directories(folder);
  write_checkpoint(folder, tensors, std::int64_t{1} << 40);
  write_text_file(folder / "config.json", json.dump());
}

}  // namespace cola::test
