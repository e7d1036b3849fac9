// cola bench ops
#include <fmt/format.h>

#include <memory>

#include "bench/ops_benchmark.h"
#include "cli/bench_options.h"
#include "cli/output.h"
#include "core/progress.h"
#include "model/model_config.h"

namespace cola {
namespace {

struct BenchOpsVerb {
  BenchOptions common{.shape = "opt-1.3b"};
  OpsBenchmarkOptions ops;
};

Json json_of(const BenchOpsVerb& verb, const OpsBenchmark& result) {
  Json json = bench_json(verb.common);
  json.update({{"batch_size", verb.ops.batch_size},
               {"seq_length", verb.ops.seq_length},
               {"lora_r", verb.ops.lora_r},
               {"results", Json::array()}});
  json.update(peak_json(result.peak));
  for (const OpRate& rate : result.results) {
    const bool products = rate.flops > 0.0;
    json["results"].push_back({{"op", rate.op},
                               {"rows", rate.rows},
                               {"cols", rate.cols},
                               {"seconds", rate.seconds},
                               {"bytes", rate.bytes},
                               {"bytes_per_second", rate.bytes_per_second},
                               {"fraction_of_bandwidth", rate.fraction_of_bandwidth},
                               {"flops", products ? Json(rate.flops) : Json(nullptr)},
                               {"flops_per_second", products ? Json(rate.flops_per_second) : Json(nullptr)},
                               {"fraction_of_peak", products ? Json(rate.fraction_of_peak) : Json(nullptr)}});
  }
  return json;
}

std::string table_of(const OpsBenchmark& result) {
  std::string text = fmt::format("{:<28}{:>7}{:>7}{:>11}{:>9}{:>14}{:>10}{:>9}\n", "op", "rows", "cols", "ms",
                                 "GB/s", "of bandwidth", "GFLOP/s", "of peak");
  for (const OpRate& rate : result.results) {
    text += fmt::format("{:<28}{:>7}{:>7}{:>11.4f}{:>9.2f}{:>14.3f}", rate.op, rate.rows, rate.cols,
                        1e3 * rate.seconds, rate.bytes_per_second / 1e9, rate.fraction_of_bandwidth);
    text += rate.flops > 0.0
                ? fmt::format("{:>10.1f}{:>9.3f}\n", rate.flops_per_second / 1e9, rate.fraction_of_peak)
                : fmt::format("{:>10}{:>9}\n", "-", "-");
  }
  return text;
}

void run_bench_ops(BenchOpsVerb& verb) {
  verb.ops.dtype = bench_dtype(verb.common);
  verb.ops.config = spec_of_shape(verb.common.shape);
  use_threads(verb.common);
  Progress progress(false);
  const auto report = [&](std::int64_t done, std::int64_t total) {
    progress.update(fmt::format("ops: {} of {} kinds", done, total), done, total);
  };
  const OpsBenchmark result = benchmark_ops(verb.ops, report);
  if (verb.common.json) {
    print_json(json_of(verb, result));
    return;
  }
  print(bench_row("ops", fmt::format("{}; {} x {} tokens", bench_title(verb.common), verb.ops.batch_size,
                                     verb.ops.seq_length)) +
        bench_row("peak", peak_text(result.peak.multiply)) +
        bench_row("read bandwidth", read_rate_text(result.peak)) + table_of(result));
}

}  // namespace

void add_bench_ops(CLI::App& bench) {
  auto* verb = bench.add_subcommand("ops", "what a step does beside the products of its linear layers");
  const auto state = std::make_shared<BenchOpsVerb>();
  add_bench_options(*verb, state->common);
  verb->add_option("--batch-size", state->ops.batch_size, "sequences")->capture_default_str();
  verb->add_option("--seq-length", state->ops.seq_length, "tokens of each")->capture_default_str();
  verb->add_option("--lora-r", state->ops.lora_r, "rank")->capture_default_str();
  verb->add_option("--seconds", state->ops.least_seconds, "measured at least for each figure")
      ->capture_default_str();
  verb->callback([state] { run_bench_ops(*state); });
}

}  // namespace cola
