#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "bench/model_training.h"
#include "bench/timing.h"
#include "cola/train.h"
#include "core/dtype.h"
#include "model/decoder_spec.h"

namespace cola {

/// Training steps to time: random weights, AdamW; random token ids with loss on every token but the first, or
/// a task's batches.
struct StepBenchmarkOptions {
  DecoderSpec config;
  DType dtype = DType::f32;
  std::shared_ptr<ops::Backend> backend = ops::open_backend("cpu");
  TrainedPart part;
  std::int64_t seq_length = 128;  ///< of random tokens
  /// Timed steps. Of a task: those of the first so many batches of an epoch, done `rounds` times; of random
  /// tokens one batch.
  std::int64_t steps = 5;
  std::int64_t rounds = 3;
  bool profile = false;                ///< one more round at the end, op by op
  bool pad_batches = false;            ///< see padded_batch(): needs data.no_share_prefix
  std::filesystem::path batches_file;  ///< of a task: see write_batches(); needs data.no_share_prefix
  /// batch_size and micro_batch_size; and with `task` what load_session_data and BatchPlan take: task_data,
  /// tokenizer, num_train, num_dev, max_length, bos_token_id, no_share_prefix, seed, data_seed.
  TrainOptions data;
};

struct StepBenchmark {
  /// Forward, backward, update, after one step that is not counted: over the steps; of a task over the
  /// rounds, of a round's mean.
  Spread seconds_per_step;
  // Means over the steps of a round.
  double tokens_per_step = 0.0;            ///< processed
  double loss_tokens_per_step = 0.0;       ///< rows that run through the head
  double reference_tokens_per_step = 0.0;  ///< as the reference's collator pads the same batches
  double examples_per_step = 0.0;          ///< questions, or sequences
  double flops_per_step = 0.0;             ///< counted in the products that were done
  double model_flops_per_step = 0.0;       ///< 4 (full: 6) weights_by_rows() of the tokens processed
  double reference_flops_per_step = 0.0;   ///< of the reference's tokens, the head on all of them
  double loss = 0.0;                       ///< of the last round

  double tokens_per_second = 0.0;  ///< in a step of the median time
  double examples_per_second = 0.0;
  ops::PeakRate peak;       ///< of a multiply-add loop on registers: the median of those around the steps
  Spread fraction_of_peak;  ///< model_flops_per_step a second, over the peak around the same step
  Spread reference_fraction_of_peak;   ///< the same of reference_flops_per_step
  std::int64_t peak_rss_bytes = 0;     ///< of the whole process
  std::int64_t peak_device_bytes = 0;  ///< of a device's memory; 0 on the CPU
  std::int64_t trained_parameters = 0;
  std::vector<OpProfile> profile;  ///< of a round; each op waits for the one before it
};

/// `progress(done, total)` counts steps. Throws UsageError for a number out of range, Error if the step does
/// not fit into memory, and as task_steps does.
[[nodiscard]] StepBenchmark benchmark_step(
    const StepBenchmarkOptions& options,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace cola
