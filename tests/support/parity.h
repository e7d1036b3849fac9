#pragma once
// The fixtures of tests/files/parity: numbers of transformers and PEFT for four tiny models (see its README).
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "core/matrix.h"
#include "data/dataset.h"
#include "io/json.h"
#include "io/tensor_source.h"
#include "support/files.h"

namespace cola::test {

inline const std::vector<std::string>& parity_models() {
  static const std::vector<std::string> names{"opt_tiny", "opt350_tiny", "llama_tiny", "llama_gqa_tiny"};
  return names;
}

inline std::filesystem::path parity_folder(const std::string& model) {
  return test_files() / "parity" / model;
}

inline std::vector<float> floats_of(const TensorSource& source, const std::string& name) {
  const auto& tensor = source.tensors().at(name);
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  read_as_f32(tensor, values);
  return values;
}

inline std::vector<std::int64_t> integers_of(const TensorSource& source, const std::string& name) {
  const auto& tensor = source.tensors().at(name);
  std::vector<std::int64_t> values(static_cast<std::size_t>(tensor.size()));
  std::memcpy(values.data(), tensor.data, tensor.bytes);
  return values;
}

inline constexpr std::int64_t parity_rows = 3;
inline constexpr std::int64_t parity_width = 17;

/// The three sequences of inputs.safetensors without their padding.
inline std::vector<Example> parity_examples(const std::string& model) {
  const auto source = open_safetensors(parity_folder(model) / "inputs.safetensors");
  const auto ids = integers_of(*source, "input_ids");
  const auto mask = integers_of(*source, "attention_mask");
  const auto labels = integers_of(*source, "labels");
  std::vector<Example> examples(parity_rows);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (mask[i] == 0) continue;
    auto& example = examples[i / parity_width];
    example.ids.push_back(static_cast<std::int32_t>(ids[i]));
    example.labels.push_back(static_cast<std::int32_t>(labels[i]));
  }
  return examples;
}

/// The same as a JSONL file of input_ids and labels.
inline void write_parity_data(const std::string& model, const std::filesystem::path& file) {
  std::ofstream stream(file);
  for (const auto& example : parity_examples(model)) {
    stream << Json{{"input_ids", example.ids}, {"labels", example.labels}}.dump() << "\n";
  }
}

}  // namespace cola::test
