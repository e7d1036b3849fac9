#pragma once
#include <cstdint>
#include <functional>

#include "bench/machine_peak.h"
#include "core/dtype.h"
#include "model/decoder_spec.h"

namespace cola {

/// Greedy decoding with random weights after prompts of random tokens, of `batch_size` sequences at once.
struct GenerateBenchmarkOptions {
  DecoderSpec config;
  DType dtype = DType::f32;
  std::shared_ptr<ops::Backend> backend = ops::open_backend("cpu");
  std::int64_t batch_size = 1;
  std::int64_t prompt_tokens = 128;
  std::int64_t new_tokens = 64;
  std::int64_t rounds = 3;  ///< generations, after one short one that is not counted
};

/// Medians over the rounds.
struct GenerateBenchmark {
  double tokens_per_second = 0.0;         ///< of all sequences, of the new tokens behind the first
  double prompt_tokens_per_second = 0.0;  ///< of the prompts, until the first new token
  double weight_bytes = 0.0;              ///< read for a pass: weight_bytes_of_token()
  double fraction_of_bandwidth = 0.0;     ///< passes a second * weight_bytes / the peak's read rate
  MachinePeak peak;                       ///< the better of before and after
};

/// `progress` counts tokens. Throws UsageError for a number out of range, Error if the weights do not fit
/// into memory.
[[nodiscard]] GenerateBenchmark benchmark_generate(
    const GenerateBenchmarkOptions& options,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace cola
