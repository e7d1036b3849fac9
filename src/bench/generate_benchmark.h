#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>

#include "bench/machine_peak.h"
#include "core/dtype.h"
#include "model/base_format.h"
#include "model/decoder_spec.h"

namespace cola {

/// Greedy decoding after prompts of random tokens, of `batch_size` sequences at once.
struct GenerateBenchmarkOptions {
  DecoderSpec config;           ///< of random weights
  std::filesystem::path model;  ///< a model folder or GGUF file in its place, with its weights
  BaseFormat base;              ///< how matrices lie in memory
  DType dtype = DType::f32;
  std::shared_ptr<ops::Backend> backend = ops::open_backend("cpu");
  std::int64_t batch_size = 1;
  std::int64_t prompt_tokens = 128;
  std::int64_t new_tokens = 64;
  std::int64_t rounds = 3;  ///< generations, after one short one that is not counted
};

/// Over the rounds.
struct GenerateBenchmark {
  Spread tokens_per_second;         ///< of all sequences, of the new tokens behind the first
  Spread prompt_tokens_per_second;  ///< of the prompts, until the first new token
  double weight_bytes = 0.0;        ///< read for a pass: weight_bytes_of_token()
  Spread fraction_of_bandwidth;     ///< passes a second * weight_bytes / the read rate around the same round
  MachinePeak peak;                 ///< the median of those around the rounds
};

/// `progress` counts tokens. Throws UsageError for a number out of range, Error if the weights do not fit
/// into memory and as open_base_model does.
[[nodiscard]] GenerateBenchmark benchmark_generate(
    const GenerateBenchmarkOptions& options,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace cola
