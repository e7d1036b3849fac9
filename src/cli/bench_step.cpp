// cola bench step
#include <fmt/format.h>

#include <memory>

#include "bench/step_benchmark.h"
#include "cli/bench_options.h"
#include "cli/output.h"
#include "cli/profile_table.h"
#include "cli/target_modules_option.h"
#include "cli/whole_number.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/system_memory.h"
#include "model/model_config.h"

namespace cola {
namespace {

struct BenchStepVerb {
  BenchOptions common;
  StepBenchmarkOptions step;
  std::string method = "lora";
  std::int64_t links = 2;
  std::string tie = "merge";
  std::string quantize_base;

  [[nodiscard]] bool of_task() const { return !step.data.task.empty(); }
};

Json json_of(const BenchStepVerb& verb, const StepBenchmark& result) {
  Json json = bench_json(verb.common);
  json.update({{"method", verb.method},
               {"batch_size", verb.step.data.batch_size},
               {"steps", verb.step.steps},
               {"offload_base", verb.step.part.offload_base},
               {"quantize_base", verb.quantize_base},
               {"trained_parameters", result.trained_parameters},
               {"loss", result.loss},
               {"tokens_per_step", result.tokens_per_step},
               {"tokens_per_second", result.tokens_per_second},
               {"flops_per_step", result.flops_per_step},
               {"model_flops_per_step", result.model_flops_per_step},
               {"peak_flops_per_second", result.peak.flops_per_second},
               {"peak_instruction", result.peak.instruction},
               {"peak_rss_bytes", result.peak_rss_bytes},
               {"peak_device_bytes", result.peak_device_bytes}});
  add_spread(json, "seconds_per_step", result.seconds_per_step);
  add_spread(json, "fraction_of_peak", result.fraction_of_peak);
  if (verb.method == "cola") json.update({{"links", verb.links}, {"tie", verb.tie}});
  if (verb.step.profile) json["profile"] = profile_json(result.profile);
  if (!verb.of_task()) {
    json["seq_length"] = verb.step.seq_length;
    return json;
  }
  json.update({{"task", verb.step.data.task},
               {"share_prefix", !verb.step.data.no_share_prefix},
               {"pad_batches", verb.step.pad_batches},
               {"rounds", verb.step.rounds},
               {"questions_per_step", result.examples_per_step},
               {"questions_per_second", result.examples_per_second},
               {"loss_tokens_per_step", result.loss_tokens_per_step},
               {"reference_tokens_per_step", result.reference_tokens_per_step},
               {"reference_flops_per_step", result.reference_flops_per_step}});
  add_spread(json, "reference_fraction_of_peak", result.reference_fraction_of_peak);
  return json;
}

std::string work_text(const BenchStepVerb& verb) {
  const StepBenchmarkOptions& step = verb.step;
  const std::string of =
      verb.method + (verb.method == "cola" ? fmt::format(", link {}, {}", verb.links, verb.tie) : "") +
      fmt::format(", {} x ", step.data.batch_size) +
      (verb.of_task() ? fmt::format("question of {}{}, {} batches {} times", step.data.task,
                                    step.pad_batches            ? " (candidates whole and padded)"
                                    : step.data.no_share_prefix ? " (candidates whole)"
                                                                : "",
                                    step.steps, step.rounds)
                      : fmt::format("{} tokens, {} times", step.seq_length, step.steps));
  return fmt::format("{}{}{}; {}", bench_title(verb.common),
                     step.part.offload_base ? ", offloaded to the host" : "",
                     verb.quantize_base.empty() ? "" : ", base " + verb.quantize_base, of);
}

std::string text_of(const BenchStepVerb& verb, const StepBenchmark& result) {
  const double tera = 1e12;
  std::string text = bench_row("step", work_text(verb));
  text += bench_row("trained parameters", fmt::format("{}", result.trained_parameters));
  text += bench_row("seconds per step", spread_text(result.seconds_per_step, 4));
  if (verb.of_task()) {
    text += bench_row("questions per second", fmt::format("{:.3f}", result.examples_per_second));
    text += bench_row("tokens per step",
                      fmt::format("{:.1f}, {:.1f} with loss; of the reference {:.1f}", result.tokens_per_step,
                                  result.loss_tokens_per_step, result.reference_tokens_per_step));
  }
  text += bench_row("tokens per second", fmt::format("{:.1f}", result.tokens_per_second));
  text += bench_row(
      "TFLOP per step",
      fmt::format("{:.4f} counted, {:.4f} necessary ({} a parameter and token)", result.flops_per_step / tera,
                  result.model_flops_per_step / tera, verb.step.part.full ? 6 : 4));
  text += bench_row("peak", peak_text(result.peak));
  text += bench_row("fraction of peak", spread_text(result.fraction_of_peak, 3) +
                                            ", of the necessary FLOPs, the peak taken between");
  if (verb.of_task()) {
    text += bench_row("", spread_text(result.reference_fraction_of_peak, 3) + ", of the reference's FLOPs");
  }
  text += bench_row("loss", fmt::format("{:.4f}", result.loss));
  text += bench_row("peak memory", format_bytes(result.peak_rss_bytes));
  if (result.peak_device_bytes > 0)
    text += bench_row("peak device memory", format_bytes(result.peak_device_bytes));
  if (verb.step.profile) text += "\n" + profile_table(result.profile);
  return text;
}

void run_bench_step(BenchStepVerb& verb) {
  if (verb.method != "lora" && verb.method != "cola" && verb.method != "full")
    throw UsageError(fmt::format("--method {}: a step is timed with lora, cola or full", verb.method));
  if (verb.tie != "merge" && verb.tie != "stack")
    throw UsageError(fmt::format("--tie {}: use merge or stack", verb.tie));
  verb.step.part.full = verb.method == "full";
  verb.step.part.tied_links = verb.method == "cola" ? verb.links - 1 : 0;
  verb.step.part.base = parse_base_format("keep", verb.quantize_base);
  const bool quantized = verb.step.part.base.quantize.has_value();
  if (quantized && verb.step.part.full)
    throw UsageError("--quantize-base: with full every weight is trained");
  verb.step.part.tie = verb.tie == "merge" && !quantized ? TieMode::merge : TieMode::stack;
  verb.step.backend = open_bench_device(verb.common);
  verb.step.dtype = bench_dtype(verb.common);
  verb.step.config = spec_of_shape(verb.common.shape);
  use_threads(verb.common);
  Progress progress(false);
  const auto report = [&](std::int64_t done, std::int64_t total) {
    progress.update(fmt::format("step {} of {}", done, total), done, total);
  };
  const StepBenchmark result = benchmark_step(verb.step, report);
  if (verb.common.json) {
    print_json(json_of(verb, result));
  } else {
    print(text_of(verb, result));
  }
}

void add_task_options(CLI::App& verb, StepBenchmarkOptions& step, CLI::Option* seq_length) {
  TrainOptions& data = step.data;
  auto* task = verb.add_option("--task", data.task, "questions of a task in place of random tokens")
                   ->type_name("NAME")
                   ->excludes(seq_length);
  const auto of_task = [&](CLI::Option* option) { option->needs(task); };
  of_task(verb.add_option("--task-data", data.task_data, "folder of the task's files")->type_name("DIR"));
  auto* tokenizer =
      verb.add_option("--tokenizer", data.tokenizer, "folder of the tokenizer")->type_name("DIR");
  of_task(tokenizer);
  task->needs(tokenizer);
  of_task(verb.add_option("--rounds", step.rounds, "times that the steps are run; the median is taken")
              ->capture_default_str());
  of_task(verb.add_option("--num-train", data.num_train, "training examples (default: the paper's number)"));
  of_task(verb.add_option("--num-dev", data.num_dev, "dev examples (default: the paper's number)"));
  of_task(verb.add_option("--max-length", data.max_length, "longest sequence in tokens"));
  of_task(verb.add_option("--bos-token-id", data.bos_token_id, "token before every text"));
  of_task(verb.add_option("--seed", data.seed, "seed of split and shuffling")->check(whole_number()));
  of_task(verb.add_flag("--no-share-prefix", data.no_share_prefix, "run every candidate whole"));
  of_task(verb.add_flag("--pad-batches", step.pad_batches,
                        "pad every candidate to the longest of its batch, as the reference's collator does"));
  of_task(
      verb.add_option("--write-batches", step.batches_file, "the batches as JSON lines, for another program")
          ->type_name("FILE"));
}

}  // namespace

void add_bench_step(CLI::App& bench) {
  auto* verb = bench.add_subcommand("step", "a training step with random weights");
  const auto state = std::make_shared<BenchStepVerb>();
  StepBenchmarkOptions& step = state->step;
  add_bench_options(*verb, state->common);
  add_bench_device(*verb, state->common);
  verb->add_option("--method", state->method, "lora, cola or full")->capture_default_str();
  verb->add_option("--links", state->links, "with cola: the link that is trained, the others being tied")
      ->capture_default_str();
  verb->add_option("--tie", state->tie, "with cola: merge or stack")->capture_default_str();
  verb->add_option("--batch-size", step.data.batch_size, "sequences, or questions")->capture_default_str();
  verb->add_option("--micro-batch-size", step.data.micro_batch_size,
                   "of them computed at a time (default: all; on the CPU with --quantize-base, at most 512 "
                   "tokens)");
  auto* seq_length =
      verb->add_option("--seq-length", step.seq_length, "tokens of each")->capture_default_str();
  verb->add_option(
          "--steps", step.steps,
          "timed steps, after one that is not; with --task one for each of the first batches of an epoch")
      ->capture_default_str();
  verb->add_flag("--activation-checkpointing", step.part.activation_checkpointing,
                 "keep each block's input only and recompute the block in the backward");
  verb->add_flag("--offload-base", step.part.offload_base,
                 "on a GPU: keep the blocks' weights in the host's memory, and bring them block by block");
  verb->add_option("--quantize-base", state->quantize_base, "q8_0, q4_0 or q4_k: quantised frozen matrices");
  verb->add_flag("--profile", step.profile, "then where the time goes, op by op");
  verb->add_option("--lora-r", step.part.lora_r, "rank")->capture_default_str();
  add_target_modules(*verb, step.part.target_modules, "names of linear layers, all-linear, or a pattern");
  add_task_options(*verb, step, seq_length);
  verb->callback([state] { run_bench_step(*state); });
}

}  // namespace cola
