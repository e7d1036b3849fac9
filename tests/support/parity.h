#pragma once
// The fixtures of tests/files/parity: numbers of transformers and PEFT for tiny models (see its README).
#include <algorithm>
#include <cstdlib>
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
  const auto committed = test_files() / "parity" / model;
  const char* shared = std::getenv("COLA_TEST_DATA");
  return shared == nullptr || std::filesystem::exists(committed)
             ? committed
             : std::filesystem::path(shared) / "parity" / model;
}

/// What tools/parity/make.py wrote into a folder: models with LoRA on all linear layers, full gradients and
/// config.json in both forms.
inline std::vector<std::string> families_in(const std::filesystem::path& folder) {
  std::vector<std::string> list;
  if (!std::filesystem::exists(folder)) return list;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (std::filesystem::exists(entry.path() / "full_expected.safetensors"))
      list.push_back(entry.path().filename());
  std::ranges::sort(list);
  return list;
}

/// These, and those of the kind that COLA_TEST_DATA has.
inline const std::vector<std::string>& parity_families() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list = families_in(test_files() / "parity");
    if (const char* shared = std::getenv("COLA_TEST_DATA"); shared != nullptr) {
      for (const std::string& more : families_in(std::filesystem::path(shared) / "parity"))
        if (std::ranges::find(list, more) == list.end()) list.push_back(more);
    }
    return list;
  }();
  return names;
}

/// One model of each family, and four of the first two.
inline const std::vector<std::string>& models_of_all_families() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list = parity_models();
    const auto families = families_in(test_files() / "parity");
    list.insert(list.end(), families.begin(), families.end());
    return list;
  }();
  return names;
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

/// Tokens of a row of the fixture, padding included.
inline std::int64_t parity_width(const std::string& model) {
  return open_safetensors(parity_folder(model) / "inputs.safetensors")->tensors().at("input_ids").shape.at(1);
}

/// Whether ReferenceDecoder computes the model.
inline bool has_reference(const std::string& model) {
  return std::ranges::find(parity_models(), model) != parity_models().end();
}

/// The three sequences of inputs.safetensors without their padding.
inline std::vector<Example> parity_examples(const std::string& model) {
  const auto source = open_safetensors(parity_folder(model) / "inputs.safetensors");
  const auto ids = integers_of(*source, "input_ids");
  const auto mask = integers_of(*source, "attention_mask");
  const auto labels = integers_of(*source, "labels");
  std::vector<Example> examples(parity_rows);
  const auto width = static_cast<std::size_t>(source->tensors().at("input_ids").shape.at(1));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (mask[i] == 0) continue;
    auto& example = examples[i / width];
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
