// Models of GGUF files against transformers' logits: the fixtures of COLA_TEST_DATA/gguf (see its README).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "data/dataset.h"
#include "eval/loaded_model.h"
#include "io/json.h"
#include "io/tensor_source.h"
#include "support/parity.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> fixtures() {
  const char* shared = std::getenv("COLA_TEST_DATA");
  if (shared == nullptr) return std::nullopt;
  return fs::path(shared) / "gguf";
}

/// The logits of the last `rows` tokens of a folder's input.
std::vector<float> logits_of(const ModelSource& source, const fs::path& folder, std::int64_t rows) {
  const LoadedModel loaded = load_model(source);
  ops::Context context(*loaded.backend);
  Example example;
  example.ids = read_json_file(folder / "input.json").at("input_ids").get<std::vector<std::int32_t>>();
  example.labels = example.ids;
  const std::vector<const Example*> one{&example};
  const RaggedBatch batch = make_batch(one);
  const StepState step{context, batch};
  DecoderActivations activations;
  loaded.model->forward(step, activations);
  std::vector<std::int32_t> last;
  for (std::int64_t i = 0; i < rows; ++i)
    last.push_back(static_cast<std::int32_t>(batch.tokens() - rows + i));
  Matrix logits(DType::f32, rows, loaded.model->spec().vocab_size);
  loaded.model->logits(step, activations, last, logits.view());
  return {logits.floats().begin(), logits.floats().end()};
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, static_cast<double>(std::abs(a[i] - b[i])));
  return largest;
}

ModelSource source_of(const fs::path& model) {
  ModelSource source;
  source.model = model;
  source.dtype = "f32";
  source.device = "cpu";
  return source;
}

constexpr std::int64_t rows = 12;
constexpr double tolerance = 1e-4;  // float32 lies 1e-5 from float64 on models of this size

TEST(GgufModel, HasTransformersLogits) {
  const auto folder = fixtures();
  if (!folder) GTEST_SKIP() << "skipped: COLA_TEST_DATA is not set";
  for (const auto& entry : fs::directory_iterator(*folder / "models")) {
    SCOPED_TRACE(entry.path().filename());
    const auto expected =
        test::floats_of(*open_safetensors(entry.path() / "logits.safetensors"), "transformers");
    const auto actual = logits_of(source_of(entry.path() / "model-f32.gguf"), entry.path(), rows);
    EXPECT_LT(largest_difference(actual, expected), tolerance);
  }
}

/// An adapter's names and rows are Hugging Face's, whatever the base's file has.
TEST(GgufModel, TakesAdapters) {
  const auto folder = fixtures();
  if (!folder) GTEST_SKIP() << "skipped: COLA_TEST_DATA is not set";
  for (const auto& model : fs::directory_iterator(*folder / "models")) {
    for (const auto& entry : fs::directory_iterator(model.path())) {
      if (!fs::exists(entry.path() / "adapter_config.json")) continue;
      SCOPED_TRACE(entry.path());
      ModelSource source = source_of(model.path() / "model-f32.gguf");
      source.adapters = {entry.path()};
      const auto expected = test::floats_of(*open_safetensors(entry.path() / "logits.safetensors"), "peft");
      EXPECT_LT(largest_difference(logits_of(source, model.path(), rows), expected), tolerance);
    }
  }
}

/// Quantised weights give the numbers of their exact values, kept or expanded.
TEST(GgufModel, ComputesWithQuantisedWeights) {
  const auto folder = fixtures();
  if (!folder) GTEST_SKIP() << "skipped: COLA_TEST_DATA is not set";
  const fs::path quantised = *folder / "quantised";
  const auto expected =
      test::floats_of(*open_safetensors(quantised / "logits.safetensors"), "transformers_dequantised.q4_k_m");
  for (const char* base : {"keep", "f32"}) {
    SCOPED_TRACE(base);
    ModelSource source = source_of(quantised / "model-q4_k_m.gguf");
    source.base_dtype = base;
    EXPECT_LT(largest_difference(logits_of(source, quantised, rows), expected), tolerance);
  }
}

}  // namespace
}  // namespace cola
