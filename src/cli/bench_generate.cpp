// cola bench generate
#include <fmt/format.h>

#include <memory>

#include "bench/generate_benchmark.h"
#include "cli/bench_options.h"
#include "cli/output.h"
#include "core/progress.h"
#include "core/system_memory.h"
#include "model/model_config.h"

namespace cola {
namespace {

struct BenchGenerateVerb {
  BenchOptions common{.shape = "opt-1.3b"};
  GenerateBenchmarkOptions generate;
  std::string quantize_base;
};

Json json_of(const BenchGenerateVerb& verb, const GenerateBenchmark& result) {
  Json json = bench_json(verb.common);
  json.update(peak_json(result.peak));
  json["quantize_base"] = verb.quantize_base;
  json.update({{"batch_size", verb.generate.batch_size},
               {"prompt_tokens", verb.generate.prompt_tokens},
               {"new_tokens", verb.generate.new_tokens},
               {"rounds", verb.generate.rounds},
               {"weight_bytes", static_cast<std::int64_t>(result.weight_bytes)}});
  add_spread(json, "tokens_per_second", result.tokens_per_second);
  add_spread(json, "prompt_tokens_per_second", result.prompt_tokens_per_second);
  add_spread(json, "fraction_of_bandwidth", result.fraction_of_bandwidth);
  return json;
}

std::string text_of(const BenchGenerateVerb& verb, const GenerateBenchmark& result) {
  std::string text =
      bench_row("generate", fmt::format("{}{}; {} x {} tokens after {}, {} times", bench_title(verb.common),
                                        verb.quantize_base.empty() ? "" : ", base " + verb.quantize_base,
                                        verb.generate.batch_size, verb.generate.new_tokens,
                                        verb.generate.prompt_tokens, verb.generate.rounds));
  text += bench_row("tokens per second", spread_text(result.tokens_per_second, 2));
  text += bench_row("of the prompt", spread_text(result.prompt_tokens_per_second, 1));
  text += bench_row("weights of a pass", format_bytes(static_cast<std::int64_t>(result.weight_bytes)));
  text += bench_row("read bandwidth", read_rate_text(result.peak));
  text += bench_row("fraction of bandwidth", spread_text(result.fraction_of_bandwidth, 3));
  return text;
}

void run_bench_generate(BenchGenerateVerb& verb) {
  verb.generate.backend = open_bench_device(verb.common);
  verb.generate.dtype = bench_dtype(verb.common);
  verb.generate.base = parse_base_format("keep", verb.quantize_base);
  if (verb.generate.model.empty()) {
    verb.generate.config = spec_of_shape(verb.common.shape);
  } else {
    verb.common.shape = verb.generate.model.string();
  }
  use_threads(verb.common);
  Progress progress(false);
  const auto report = [&](std::int64_t done, std::int64_t total) {
    progress.update(fmt::format("token {} of {}", done, total), done, total);
  };
  const GenerateBenchmark result = benchmark_generate(verb.generate, report);
  if (verb.common.json) {
    print_json(json_of(verb, result));
  } else {
    print(text_of(verb, result));
  }
}

}  // namespace

void add_bench_generate(CLI::App& bench) {
  auto* verb = bench.add_subcommand("generate", "greedy decoding, beside the speed of reading the weights");
  const auto state = std::make_shared<BenchGenerateVerb>();
  add_bench_options(*verb, state->common);
  add_bench_device(*verb, state->common);
  verb->add_option("--model", state->generate.model, "model folder, or GGUF file, in place of random weights")
      ->type_name("PATH")
      ->excludes("--shape");
  verb->add_option("--quantize-base", state->quantize_base, "q8_0, q4_0 or q4_k: quantised matrices");
  verb->add_option("--batch-size", state->generate.batch_size, "sequences that share each pass")
      ->capture_default_str();
  verb->add_option("--prompt-tokens", state->generate.prompt_tokens, "random tokens before")
      ->capture_default_str();
  verb->add_option("--new-tokens", state->generate.new_tokens, "tokens of each generation")
      ->capture_default_str();
  verb->add_option("--rounds", state->generate.rounds, "generations; the median is taken")
      ->capture_default_str();
  verb->callback([state] { run_bench_generate(*state); });
}

}  // namespace cola
