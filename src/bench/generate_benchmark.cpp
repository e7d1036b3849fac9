#include "bench/generate_benchmark.h"

#include <chrono>
#include <utility>
#include <vector>

#include "bench/checks.h"
#include "bench/necessary_work.h"
#include "bench/step_batches.h"
#include "bench/timing.h"
#include "eval/generate.h"
#include "eval/loss.h"
#include "model/base_model.h"

namespace cola {
namespace {

using Clock = std::chrono::steady_clock;

void check(const GenerateBenchmarkOptions& options, const DecoderSpec& config) {
  const std::int64_t positions = config.max_position_embeddings;
  require_range("prompt-tokens", options.prompt_tokens, 2, positions - 2);
  require_range("new-tokens", options.new_tokens, 2, positions - options.prompt_tokens);
  require_range("batch-size", options.batch_size, 1, 32);
  require_range("rounds", options.rounds, 1, 1000);
  // All prompts in the first pass: else the time until the first new token is not the prompts'.
  require_range("batch-size x prompt-tokens", options.batch_size * options.prompt_tokens, 1,
                default_evaluation_tokens);
}

/// The weights that the options ask for, with their configuration.
std::pair<DecoderSpec, Weights> weights_of(const GenerateBenchmarkOptions& options) {
  constexpr std::uint64_t seed = 42;
  Memory& memory = options.backend->memory();
  if (options.model.empty()) {
    check(options, options.config);
    require_memory_for_weights(memory, options.config, options.dtype, 0, options.base);
    return {options.config, Weights(options.config, seed, options.dtype, memory, nullptr, options.base)};
  }
  BaseModel base = open_base_model(options.model);
  check(options, base.config);
  require_not_quantized_twice(options.base, *base.tensors, options.model);
  const BaseSize size =
      size_in_memory(base.config, *base.tensors, options.dtype, options.base, *options.backend);
  require_memory_for_weights(memory, size.bytes + size.expansion_bytes);
  return {base.config,
          Weights(base.config, std::move(base.tensors), options.dtype, memory, nullptr, options.base)};
}

/// Seconds until the first new token, and from it to the last.
struct GenerationTimes {
  double prompt = 0.0, decoding = 0.0;
};

GenerationTimes time_generation(ops::Context& context, const Decoder& model,
                                const std::vector<std::vector<std::int32_t>>& prompts,
                                std::int64_t new_tokens, const std::function<void()>& each) {
  const auto start = Clock::now();
  Clock::time_point first, last;
  const auto with_token = [&](std::int32_t) {
    last = Clock::now();
    if (first == Clock::time_point()) first = last;
    each();
    return true;
  };
  std::vector<Generation> generations;
  for (const auto& prompt : prompts) {
    generations.push_back({prompt, new_tokens, Sampler(0.0, 1.0, 0), with_token});
  }
  const std::int64_t capacity = std::ssize(prompts.front()) + new_tokens;
  generate_tokens(context, model, generations, std::ssize(prompts) * model.cache_bytes(capacity));
  return {std::chrono::duration<double>(first - start).count(),
          std::chrono::duration<double>(last - first).count()};
}

void time_rounds(const GenerateBenchmarkOptions& options, GenerateBenchmark& result,
                 const std::function<void(std::int64_t, std::int64_t)>& progress) {
  constexpr std::int64_t warm_up_tokens = 2;
  auto [config, weights] = weights_of(options);
  result.weight_bytes = weight_bytes_of_token(config, weights);
  Decoder model(config, std::move(weights));
  if (options.backend->prefers_packed(options.dtype)) model.pack_weights();
  const std::vector<std::int32_t> ids = random_batch(config, options.batch_size, options.prompt_tokens).ids;
  std::vector<std::vector<std::int32_t>> prompts;
  for (auto begin = ids.begin(); begin != ids.end(); begin += options.prompt_tokens) {
    prompts.emplace_back(begin, begin + options.prompt_tokens);
  }
  const std::int64_t total = options.batch_size * (warm_up_tokens + options.rounds * options.new_tokens);
  std::int64_t done = 0;
  const auto each = [&] {
    if (progress) progress(++done, total);
  };
  ops::Context context(*options.backend);
  (void)time_generation(context, model, prompts, warm_up_tokens, each);
  PeakBetween peak([&] { return measure_machine_peak(*options.backend, options.dtype); });
  std::vector<double> prompt_rates, rates, fractions;
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    GenerationTimes times;
    const MachinePeak around =
        peak.around([&] { times = time_generation(context, model, prompts, options.new_tokens, each); });
    prompt_rates.push_back(static_cast<double>(options.batch_size * options.prompt_tokens) / times.prompt);
    const double passes = static_cast<double>(options.new_tokens - 1) / times.decoding;
    rates.push_back(static_cast<double>(options.batch_size) * passes);
    fractions.push_back(passes * result.weight_bytes / around.read_bytes_per_second);
  }
  result.prompt_tokens_per_second = spread_of(std::move(prompt_rates));
  result.tokens_per_second = spread_of(std::move(rates));
  result.fraction_of_bandwidth = spread_of(std::move(fractions));
  result.peak = median_of(peak.peaks());
}

}  // namespace

GenerateBenchmark benchmark_generate(
    const GenerateBenchmarkOptions& options,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  GenerateBenchmark result;
  time_rounds(options, result, progress);
  return result;
}

}  // namespace cola
