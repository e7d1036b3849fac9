#include "bench/step_benchmark.h"

#include <algorithm>
#include <vector>

#include "bench/checks.h"
#include "bench/machine_peak.h"
#include "bench/necessary_work.h"
#include "bench/step_batches.h"
#include "bench/timing.h"
#include "core/error.h"
#include "core/system_memory.h"
#include "log/flops.h"
#include "lora/target_modules.h"
#include "model/linear_names.h"
#include "train/op_profile.h"

namespace cola {
namespace {

void check(const StepBenchmarkOptions& options) {
  const DecoderSpec& config = options.config;
  require_range("batch-size", options.data.batch_size, 1, 65536);
  require_range("micro-batch-size", options.data.micro_batch_size.value_or(1), 1, 65536);
  require_range("seq-length", options.seq_length, 2, config.max_position_embeddings);
  require_range("steps", options.steps, 1, 100000);
  require_range("rounds", options.rounds, 1, 1000);
  require_range("lora-r", options.part.lora_r, 1, config.hidden_size);
  require_range("links", options.part.tied_links + 1, 1, 1000);
  if (options.pad_batches && (options.data.task.empty() || !options.data.no_share_prefix))
    throw UsageError("--pad-batches pads whole candidates of a task: it needs --task and --no-share-prefix");
  if (!options.batches_file.empty() && (options.data.task.empty() || !options.data.no_share_prefix))
    throw UsageError(
        "--write-batches writes whole candidates of a task: it needs --task and --no-share-prefix");
  if (!options.part.full) (void)selected_targets(config, options.part.target_modules);
  constexpr std::int64_t trained_bytes = 4 * sizeof(float);  // value, gradient and AdamW's two moments
  if (options.part.offload_base) {
    if (options.part.full) throw UsageError("--offload-base belongs to --method lora");
    require_memory_for_streamed_weights(*options.backend, config, options.dtype);
  } else {
    require_memory_for_weights(options.backend->memory(), config, options.dtype,
                               options.part.full ? trained_bytes : 0, options.part.base);
  }
}

/// Steps and how often they are run.
struct Work {
  std::vector<StepPart> steps;
  std::int64_t rounds = 0;
};

/// As the reference's collator pads the step's batch.
std::int64_t padded_tokens_of(const StepPart& step) {
  std::int64_t tokens = 0;
  for (const auto& lengths : step.lengths) tokens += padded_tokens(lengths);
  return tokens;
}

Work work_of(const StepBenchmarkOptions& options) {
  const MicroBatchLimit limit = micro_batch_limit(
      options.data, options.part.base.quantize.has_value() && options.backend->memory().is_host());
  if (options.data.task.empty()) {
    const std::int64_t count = options.data.batch_size;
    const TrainingData data({random_examples(options.config, count, options.seq_length), {}});
    const BatchPlan plan(count, count, 1, /*shuffle=*/false, 0);
    return {{part_of_step(data, plan, 0, limit, OneProcess())}, options.steps};
  }
  Work work{task_steps(options.data, options.config, limit, options.steps, options.pad_batches),
            options.rounds};
  if (!options.batches_file.empty()) write_batches(options.batches_file, work.steps);
  return work;
}

void count_work(const StepBenchmarkOptions& options, const Work& work, StepBenchmark& result) {
  const auto steps = static_cast<double>(work.steps.size());
  for (const StepPart& step : work.steps) {
    for (const TrainingBatch& batch : step.batches) {
      result.tokens_per_step += static_cast<double>(batch.ragged().tokens()) / steps;
      result.loss_tokens_per_step += static_cast<double>(batch.ragged().loss_tokens()) / steps;
      const std::int64_t examples =
          batch.item == TrainingItem::question ? batch.content.questions() : batch.ragged().sequences();
      result.examples_per_step += static_cast<double>(examples) / steps;
    }
    result.reference_tokens_per_step += static_cast<double>(padded_tokens_of(step)) / steps;
  }
  // Random tokens: the head counts on all of them, as in the peers' measurements.
  const double head_rows = options.data.task.empty() ? result.tokens_per_step : result.loss_tokens_per_step;
  const double reference = result.reference_tokens_per_step;
  const double flops = options.part.full ? 6.0 : 4.0;
  result.model_flops_per_step = flops * weights_by_rows(options.config, result.tokens_per_step, head_rows);
  result.reference_flops_per_step = flops * weights_by_rows(options.config, reference, reference);
}

void time_steps(const StepBenchmarkOptions& options, const Work& work, StepBenchmark& result,
                const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const std::int64_t steps = std::ssize(work.steps);
  const std::int64_t total = 1 + work.rounds * steps;
  std::int64_t done = 0;
  const auto report = [&] {
    if (progress) progress(++done, total);
  };
  ModelTraining training(*options.backend, options.config, options.dtype, options.part);
  // The largest first, so that little has to grow after it: the same one whatever is shared or padded.
  training.step(*std::ranges::max_element(work.steps, {}, padded_tokens_of));
  report();
  const std::uint64_t flops_before = training.flops();
  PeakBetween peak([&] { return MachinePeak{options.backend->measure_peak(options.dtype), 0.0}; });
  std::vector<double> seconds_of_steps, fractions;
  for (std::int64_t round = 0; round < work.rounds; ++round) {
    double seconds = 0.0;
    result.loss = 0.0;
    const MachinePeak around = peak.around([&] {
      for (const StepPart& step : work.steps) {
        double loss = 0.0;
        seconds += seconds_of([&] { loss = training.step(step); }) / static_cast<double>(steps);
        result.loss += loss / static_cast<double>(steps);
        report();
      }
    });
    seconds_of_steps.push_back(seconds);
    fractions.push_back(result.model_flops_per_step / seconds / around.multiply.flops_per_second);
  }
  result.seconds_per_step = spread_of(std::move(seconds_of_steps));
  result.fraction_of_peak = spread_of(std::move(fractions));
  result.peak = median_of(peak.peaks()).multiply;
  result.flops_per_step =
      static_cast<double>(training.flops() - flops_before) / static_cast<double>(work.rounds * steps);
  if (options.profile) {
    training.start_profile();
    const double seconds = seconds_of([&] {
      for (const StepPart& step : work.steps) (void)training.step(step);
    });
    result.profile = op_profile(training.profile(), seconds);
  }
  result.trained_parameters = training.trained_parameters();
  const Memory& memory = options.backend->memory();
  if (!memory.is_host()) result.peak_device_bytes = memory.peak_bytes();
}

}  // namespace

StepBenchmark benchmark_step(const StepBenchmarkOptions& options,
                             const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  check(options);
  const Work work = work_of(options);
  StepBenchmark result;
  count_work(options, work, result);
  time_steps(options, work, result, progress);
  result.tokens_per_second = result.tokens_per_step / result.seconds_per_step.median;
  result.examples_per_second = result.examples_per_step / result.seconds_per_step.median;
  result.reference_fraction_of_peak =
      result.fraction_of_peak.times(result.reference_flops_per_step / result.model_flops_per_step);
  result.peak_rss_bytes = peak_resident_bytes();
  return result;
}

}  // namespace cola
