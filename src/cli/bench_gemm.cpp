// cola bench gemm
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "bench/gemm_benchmark.h"
#include "cli/bench_options.h"
#include "cli/output.h"
#include "cli/target_modules_option.h"
#include "core/progress.h"
#include "model/model_config.h"

namespace cola {
namespace {

struct BenchGemmVerb {
  BenchOptions common{.shape = "opt-1.3b"};
  GemmBenchmarkOptions gemm;
};

Json json_of(const ProductRate& rate) {
  Json json = {{"layers", rate.layers},
               {"direction", rate.backward ? "backward" : "forward"},
               {"m", rate.m},
               {"n", rate.n},
               {"k", rate.k},
               {"flops_per_second", rate.flops_per_second},
               {"onednn_flops_per_second",
                rate.onednn_flops_per_second ? Json(*rate.onednn_flops_per_second) : Json(nullptr)}};
  add_spread(json, "seconds", rate.seconds);
  add_spread(json, "fraction_of_peak", rate.fraction_of_peak);
  if (rate.speedup_over_onednn) add_spread(json, "speedup_over_onednn", *rate.speedup_over_onednn);
  return json;
}

Json json_of(const BenchGemmVerb& verb, const GemmBenchmark& result) {
  Json json = bench_json(verb.common);
  json["peak_flops_per_second"] = result.peak.flops_per_second;
  json["peak_instruction"] = result.peak.instruction;
  json["lora_r"] = verb.gemm.lora_r;
  json["results"] = json["thin"] = Json::array();
  for (const auto& rate : result.results) json["results"].push_back(json_of(rate));
  for (const auto& rate : result.thin) json["thin"].push_back(json_of(rate));
  return json;
}

std::string table_of(const std::vector<ProductRate>& rates) {
  std::string text = fmt::format("{:<10}{:>6}{:>7}{:>7}{:>12}{:>24}{:>24}  {}\n", "direction", "m", "n", "k",
                                 "GFLOP/s", "of peak", "as fast as oneDNN", "layers");
  for (const auto& rate : rates) {
    const std::string onednn = rate.speedup_over_onednn ? spread_text(*rate.speedup_over_onednn, 2) : "-";
    text += fmt::format("{:<10}{:>6}{:>7}{:>7}{:>12.1f}{:>24}{:>24}  {}\n",
                        rate.backward ? "backward" : "forward", rate.m, rate.n, rate.k,
                        rate.flops_per_second / 1e9, spread_text(rate.fraction_of_peak, 3), onednn,
                        fmt::join(rate.layers, " "));
  }
  return text;
}

void run_bench_gemm(BenchGemmVerb& verb) {
  verb.gemm.dtype = bench_dtype(verb.common);
  verb.gemm.config = spec_of_shape(verb.common.shape);
  use_threads(verb.common);
  Progress progress(false);
  const auto report = [&](std::int64_t done, std::int64_t total) {
    progress.update(fmt::format("product {} of {}", done, total), done, total);
  };
  const GemmBenchmark result = benchmark_gemm(verb.gemm, report);
  if (verb.common.json) {
    print_json(json_of(verb, result));
    return;
  }
  print(bench_row("products", bench_title(verb.common)) + bench_row("peak", peak_text(result.peak)) +
        table_of(result.results) + fmt::format("LoRA, r = {} (oneDNN in f32)\n", verb.gemm.lora_r) +
        table_of(result.thin));
}

}  // namespace

void add_bench_gemm(CLI::App& bench) {
  auto* verb = bench.add_subcommand("gemm", "the products of a shape's linear layers, in both directions");
  const auto state = std::make_shared<BenchGemmVerb>();
  add_bench_options(*verb, state->common);
  verb->add_option("--rows", state->gemm.rows, "tokens, comma-separated")
      ->delimiter(',')
      ->capture_default_str();
  verb->add_option("--lora-r", state->gemm.lora_r, "rank of the thin products")->capture_default_str();
  add_target_modules(*verb, state->gemm.target_modules, "layers with LoRA, all-linear, or a pattern");
  verb->add_option("--seconds", state->gemm.least_seconds, "measured at least for each figure")
      ->capture_default_str();
  verb->callback([state] { run_bench_gemm(*state); });
}

}  // namespace cola
