// cola bench eval
#include <fmt/format.h>

#include <memory>

#include "bench/eval_benchmark.h"
#include "cli/bench_options.h"
#include "cli/output.h"
#include "cli/whole_number.h"
#include "core/progress.h"
#include "model/model_config.h"

namespace cola {
namespace {

struct BenchEvalVerb {
  BenchOptions common{.shape = "opt-1.3b"};
  EvalBenchmarkOptions eval;
};

Json json_of(const ScoringRate& rate) {
  Json json = {{"tokens", rate.tokens},
               {"tokens_per_second", rate.tokens_per_second},
               {"questions_per_second", rate.questions_per_second},
               {"loss", rate.loss}};
  add_spread(json, "seconds", rate.seconds);
  add_spread(json, "fraction_of_peak", rate.fraction_of_peak);
  return json;
}

Json json_of(const BenchEvalVerb& verb, const EvalBenchmark& result) {
  Json json = bench_json(verb.common);
  json.update({{"task", verb.eval.task},
               {"questions", result.questions},
               {"candidates", result.candidates},
               {"rounds", verb.eval.rounds},
               {"questions_per_second", result.shared.questions_per_second},
               {"shared", json_of(result.shared)},
               {"whole", json_of(result.whole)},
               {"peak_flops_per_second", result.peak.flops_per_second},
               {"peak_instruction", result.peak.instruction}});
  add_spread(json, "speedup", result.speedup);
  return json;
}

std::string text_of(const BenchEvalVerb& verb, const EvalBenchmark& result) {
  const auto line = [](const ScoringRate& rate) {
    return fmt::format("{:.3f} questions/s, {} tokens, {:.1f} tokens/s, {} of peak, loss {:.4f}",
                       rate.questions_per_second, rate.tokens, rate.tokens_per_second,
                       spread_text(rate.fraction_of_peak, 3), rate.loss);
  };
  std::string text = bench_row(
      "eval", fmt::format("{}; {} questions of {} with {} candidates, {} times", bench_title(verb.common),
                          result.questions, verb.eval.task, result.candidates, verb.eval.rounds));
  text += bench_row("prompts shared", line(result.shared));
  text += bench_row("candidates whole", line(result.whole));
  text += bench_row("speedup", spread_text(result.speedup, 2));
  text += bench_row("peak", peak_text(result.peak));
  return text;
}

void run_bench_eval(BenchEvalVerb& verb) {
  verb.eval.backend = open_bench_device(verb.common);
  verb.eval.dtype = bench_dtype(verb.common);
  verb.eval.config = spec_of_shape(verb.common.shape);
  use_threads(verb.common);
  Progress progress(false);
  const auto report = [&](std::int64_t done, std::int64_t total) {
    progress.update(fmt::format("question {} of {}", done, total), done, total);
  };
  const EvalBenchmark result = benchmark_eval(verb.eval, report);
  if (verb.common.json) {
    print_json(json_of(verb, result));
  } else {
    print(text_of(verb, result));
  }
}

}  // namespace

void add_bench_eval(CLI::App& bench) {
  auto* verb = bench.add_subcommand("eval", "zero-shot scoring of a task, with prompts shared and not");
  const auto state = std::make_shared<BenchEvalVerb>();
  EvalBenchmarkOptions& eval = state->eval;
  add_bench_options(*verb, state->common);
  add_bench_device(*verb, state->common);
  verb->add_option("--task", eval.task, "sst2 ... record, or a TOML file of your own")
      ->type_name("NAME")
      ->required();
  verb->add_option("--task-data", eval.task_data, "folder of the task's files")->type_name("DIR");
  verb->add_option("--tokenizer", eval.tokenizer, "folder of the tokenizer")->type_name("DIR")->required();
  verb->add_option("--num-test", eval.num_test, "questions of the test set")->capture_default_str();
  verb->add_option("--rounds", eval.rounds, "times that both are run in turn; the median is taken")
      ->capture_default_str();
  verb->add_option("--max-length", eval.max_length, "longest sequence in tokens")->check(CLI::PositiveNumber);
  verb->add_option("--bos-token-id", eval.bos_token_id, "token before every text");
  verb->add_option("--data-seed", eval.data_seed, "seed of the split")
      ->check(whole_number())
      ->capture_default_str();
  verb->callback([state] { run_bench_eval(*state); });
}

}  // namespace cola
