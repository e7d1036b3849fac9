#include "eval/step_benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>

#include "backend/cpu/peak.h"
#include "chain/chain.h"
#include "core/error.h"
#include "core/system_memory.h"
#include "data/dataset.h"
#include "lora/target_modules.h"
#include "model/linear_names.h"
#include "optim/optimizer.h"

namespace cola {
namespace {

constexpr std::uint64_t seed = 42;
constexpr double learning_rate = 1e-4;

void require_range(const char* option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw UsageError(fmt::format("--{} {} is out of range: use {} to {}", option, value, least, most));
}

void check(const StepBenchmarkOptions& options) {
  require_range("batch-size", options.batch_size, 1, 65536);
  require_range("seq-length", options.seq_length, 2, options.config.max_position_embeddings);
  require_range("steps", options.steps, 1, 100000);
  require_range("lora-r", options.lora_r, 1, options.config.hidden_size);
  if (!options.full) (void)select_target_modules(linear_names(options.config), options.target_modules);
  const std::int64_t trained_bytes = options.full ? 4 * static_cast<std::int64_t>(sizeof(float)) : 0;
  const auto element_bytes = static_cast<std::int64_t>(size_of(options.dtype));
  const std::int64_t needed = parameter_count(options.config) * (element_bytes + trained_bytes);
  if (const std::int64_t available = available_memory_bytes(); needed > available) {
    throw Error(
        fmt::format("the weights of this shape need {} of memory, {} are available: use a smaller --shape",
                    format_bytes(needed), format_bytes(available)));
  }
}

RaggedBatch random_batch(const StepBenchmarkOptions& options) {
  RandomStream random(seed, RandomPurpose::benchmark);
  std::vector<Example> examples(static_cast<std::size_t>(options.batch_size));
  std::vector<const Example*> pointers;
  for (Example& example : examples) {
    example.ids.resize(static_cast<std::size_t>(options.seq_length));
    for (auto& id : example.ids) {
      id =
          static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(options.config.vocab_size)));
    }
    example.labels = example.ids;
    pointers.push_back(&example);
  }
  return make_batch(pointers);
}

/// A model in training: the smallest that does what a step of `cola train` does.
class Training {
 public:
  explicit Training(const StepBenchmarkOptions& options)
      : recompute_(options.activation_checkpointing),
        model_(options.config, Weights(options.config, seed, options.dtype)) {
    if (options.full) {
      for (const auto& parameter : model_.weights().all()) model_.weights().make_trained(*parameter);
    } else {
      chain_.emplace(model_, TieMode::merge);
      chain_->begin_live(fresh_link(options), true);
    }
    optimizer_.emplace(OptimizerOptions{}, trainables());
  }

  /// Returns the mean loss.
  double step(const RaggedBatch& batch) {
    for (const auto& parameter : optimizer_->parameters()) std::ranges::fill(parameter.gradient, 0.0F);
    StepState state{context_, batch, true};
    state.recompute = recompute_;
    nll_.resize(batch.targets.size());
    const std::vector<float> weights(nll_.size(), 1.0F / static_cast<float>(nll_.size()));
    model_.forward(state, activations_);
    model_.loss_and_backward(state, activations_, weights, nll_);
    const double norm = gradient_norm(context_, optimizer_->parameters());
    optimizer_->update(context_, learning_rate, clip_factor(norm, 1.0));
    for (const auto& parameter : model_.weights().all()) Weights::refresh(context_, *parameter);
    return std::accumulate(nll_.begin(), nll_.end(), 0.0) / static_cast<double>(nll_.size());
  }

  [[nodiscard]] std::uint64_t flops() const { return context_.flops(); }
  [[nodiscard]] std::int64_t trained_parameters() const {
    std::int64_t count = 0;
    for (const auto& parameter : optimizer_->parameters())
      count += static_cast<std::int64_t>(parameter.value.size());
    return count;
  }

 private:
  Link fresh_link(const StepBenchmarkOptions& options) {
    const auto linears = model_.linears();
    std::vector<Linear*> targets;
    for (const std::size_t index :
         select_target_modules(linear_names(model_.config()), options.target_modules))
      targets.push_back(linears[index]);
    Link link = make_link(targets, {options.lora_r, options.lora_alpha}, false);
    initialise_link(link, seed, 0);
    return link;
  }

  std::vector<TrainableParameter> trainables() {
    std::vector<TrainableParameter> list;
    if (!chain_) {
      for (const auto& parameter : model_.weights().all()) {
        list.push_back({parameter->spec.name, parameter->master.floats(), parameter->gradient.floats()});
      }
      return list;
    }
    for (std::size_t i = 0; i < chain_->live().modules.size(); ++i) {
      LoraModule& module = chain_->live().modules[i];
      list.push_back({module.name + ".lora_A", module.a.floats(), chain_->a_gradients()[i].floats()});
      list.push_back({module.name + ".lora_B", module.b.floats(), chain_->b_gradients()[i].floats()});
    }
    return list;
  }

  bool recompute_;
  ops::Context context_;
  Decoder model_;
  std::optional<Chain> chain_;
  std::optional<Optimizer> optimizer_;
  DecoderActivations activations_;
  std::vector<float> nll_;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

void time_steps(const StepBenchmarkOptions& options, StepBenchmark& result) {
  using Clock = std::chrono::steady_clock;
  const RaggedBatch batch = random_batch(options);
  Training training(options);
  training.step(batch);
  std::vector<double> seconds;
  const std::uint64_t flops_before = training.flops();
  for (std::int64_t step = 0; step < options.steps; ++step) {
    const auto start = Clock::now();
    result.loss = training.step(batch);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  result.seconds_per_step = median(std::move(seconds));
  result.flops_per_step =
      static_cast<double>(training.flops() - flops_before) / static_cast<double>(options.steps);
  result.trained_parameters = training.trained_parameters();
}

}  // namespace

double necessary_flops(const ModelConfig& config, bool full, std::int64_t tokens) {
  std::int64_t weights = 0;
  for (const auto& spec : parameter_specs(config)) {
    const bool looked_up = spec.name.ends_with("embed_positions.weight") ||
                           (spec.name.ends_with("embed_tokens.weight") && !config.tie_word_embeddings);
    if (spec.is_matrix() && !looked_up) weights += spec.size();
  }
  return (full ? 6.0 : 4.0) * static_cast<double>(weights) * static_cast<double>(tokens);
}

StepBenchmark benchmark_step(const StepBenchmarkOptions& options) {
  check(options);
  const std::int64_t tokens = options.batch_size * options.seq_length;
  StepBenchmark result;
  const ops::PeakRate before = ops::measure_peak(options.dtype);
  time_steps(options, result);
  const ops::PeakRate after = ops::measure_peak(options.dtype);
  result.peak_flops_per_second = std::max(before.flops_per_second, after.flops_per_second);
  result.peak_instruction = before.instruction;
  result.tokens_per_second = static_cast<double>(tokens) / result.seconds_per_step;
  result.model_flops_per_step = necessary_flops(options.config, options.full, tokens);
  result.fraction_of_peak =
      result.model_flops_per_step / result.seconds_per_step / result.peak_flops_per_second;
  result.peak_rss_bytes = peak_resident_bytes();
  return result;
}

}  // namespace cola
