#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "bench/timing.h"
#include "core/dtype.h"
#include "model/decoder_spec.h"

namespace cola {

/// Zero-shot scoring of a task's test questions with random weights, as `cola eval --task` does it.
struct EvalBenchmarkOptions {
  DecoderSpec config;
  DType dtype = DType::f32;
  std::shared_ptr<ops::Backend> backend = ops::open_backend("cpu");
  std::string task;
  std::filesystem::path task_data, tokenizer;
  std::int64_t num_test = 100;  ///< questions, or as many as there are
  std::uint64_t data_seed = 42;
  std::int64_t max_length = 0;  ///< as task_encoding() takes it
  std::optional<std::int32_t> bos_token_id;
  std::int64_t rounds = 3;  ///< of both ways in turn
};

/// One way of scoring all questions.
struct ScoringRate {
  Spread seconds;  ///< over the rounds
  std::int64_t tokens = 0;
  double tokens_per_second = 0.0;
  double questions_per_second = 0.0;
  Spread fraction_of_peak;  ///< of 2 FLOPs a weight and row: 2 weights_by_rows(); the peak around the round
  double loss = 0.0;        ///< mean over the questions
};

struct EvalBenchmark {
  std::int64_t questions = 0, candidates = 0;
  ScoringRate shared, whole;  ///< prompts run once; every candidate run whole
  Spread speedup;             ///< of `shared` over `whole`, round by round
  ops::PeakRate peak;         ///< the median of those around the rounds
};

/// `progress` counts questions scored. Throws UsageError for a number out of range and a task whose answers
/// are generated, Error if the weights do not fit into memory, and as read_test_set and encode_question do.
[[nodiscard]] EvalBenchmark benchmark_eval(
    const EvalBenchmarkOptions& options,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace cola
