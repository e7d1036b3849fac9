#include <fmt/format.h>

#include <memory>

#include "backend/cpu_isa.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/system_memory.h"
#include "eval/step_benchmark.h"

namespace cola {
namespace {

struct BenchStepVerb {
  StepBenchmarkOptions step;
  std::string shape;
  std::string dtype = "auto";
  std::string method = "lora";
  int threads = 0;
  bool json = false;
};

DType dtype_of_option(const std::string& option) {
  if (option == "auto") return ops::has_bf16_products() ? DType::bf16 : DType::f32;
  const DType dtype = parse_dtype(option);
  if (dtype != DType::f32 && dtype != DType::bf16)
    throw UsageError(fmt::format("--dtype {}: use f32, bf16 or auto", option));
  return dtype;
}

void print_result(const BenchStepVerb& verb, const StepBenchmark& result) {
  const std::string_view isa = ops::name_of(ops::cpu_isa());
  if (verb.json) {
    print_json({{"shape", verb.shape},
                {"method", verb.method},
                {"dtype", name_of(verb.step.dtype)},
                {"batch_size", verb.step.batch_size},
                {"seq_length", verb.step.seq_length},
                {"threads", thread_count()},
                {"trained_parameters", result.trained_parameters},
                {"loss", result.loss},
                {"seconds_per_step", result.seconds_per_step},
                {"tokens_per_second", result.tokens_per_second},
                {"flops_per_step", result.flops_per_step},
                {"model_flops_per_step", result.model_flops_per_step},
                {"peak_flops_per_second", result.peak_flops_per_second},
                {"peak_instruction", result.peak_instruction},
                {"fraction_of_peak", result.fraction_of_peak},
                {"peak_rss_bytes", result.peak_rss_bytes},
                {"isa", isa}});
    return;
  }
  const auto row = [](std::string_view name, const std::string& value) {
    return fmt::format("{:<24}{}\n", name, value);
  };
  const double tera = 1e12;
  std::string text = row("step", fmt::format("{} {} {}, {} x {} tokens, {} threads, {}", verb.shape,
                                             verb.method, name_of(verb.step.dtype), verb.step.batch_size,
                                             verb.step.seq_length, thread_count(), isa));
  text += row("trained parameters", fmt::format("{}", result.trained_parameters));
  text += row("seconds per step", fmt::format("{:.4f}", result.seconds_per_step));
  text += row("tokens per second", fmt::format("{:.1f}", result.tokens_per_second));
  text += row("TFLOP per step", fmt::format("{:.4f} counted, {:.4f} necessary ({} a parameter and token)",
                                            result.flops_per_step / tera, result.model_flops_per_step / tera,
                                            verb.step.full ? 6 : 4));
  text += row("peak TFLOP/s",
              fmt::format("{:.4f} ({})", result.peak_flops_per_second / tera, result.peak_instruction));
  text += row("fraction of peak", fmt::format("{:.3f} (of the necessary FLOPs)", result.fraction_of_peak));
  text += row("peak memory", format_bytes(result.peak_rss_bytes));
  print(text);
}

void run_bench_step(BenchStepVerb& verb) {
  if (verb.method != "lora" && verb.method != "full") {
    throw UsageError(fmt::format("--method {}: a step is timed with lora or full", verb.method));
  }
  if (verb.threads < 0) throw UsageError(fmt::format("--threads {}: it must be 0 or more", verb.threads));
  verb.step.full = verb.method == "full";
  verb.step.dtype = dtype_of_option(verb.dtype);
  verb.step.config = config_of_shape(verb.shape);
  if (verb.threads > 0) set_thread_count(verb.threads);
  print_result(verb, benchmark_step(verb.step));
}

}  // namespace

void add_bench(CLI::App& app) {
  auto* bench = app.add_subcommand("bench", "measure this machine, beside its own peak");
  bench->require_subcommand(1);
  auto* verb = bench->add_subcommand("step", "a training step with random weights");
  const auto options = std::make_shared<BenchStepVerb>();
  verb->add_option("--shape", options->shape, "opt-125m, llama-2-7b, ... or a config.json")->required();
  verb->add_option("--method", options->method, "lora or full")->capture_default_str();
  verb->add_option("--batch-size", options->step.batch_size, "sequences")->capture_default_str();
  verb->add_option("--seq-length", options->step.seq_length, "tokens of each")->capture_default_str();
  verb->add_option("--dtype", options->dtype, "f32, bf16 or auto (bf16 where the processor multiplies it)")
      ->capture_default_str();
  verb->add_option("--steps", options->step.steps, "timed steps, after one that is not")
      ->capture_default_str();
  verb->add_flag("--activation-checkpointing", options->step.activation_checkpointing,
                 "keep each block's input only and recompute the block in the backward");
  verb->add_option("--lora-r", options->step.lora_r, "rank")->capture_default_str();
  verb->add_option("--target-modules", options->step.target_modules, "comma-separated names, or all-linear")
      ->delimiter(',')
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  verb->add_flag("--json", options->json, "print the result as JSON");
  verb->callback([options] { run_bench_step(*options); });
}

}  // namespace cola
