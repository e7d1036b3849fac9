#include "cli/bench_options.h"

#include <fmt/format.h>

#include "backend/cpu_isa.h"
#include "backend/linear.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/thread_option.h"

namespace cola {

void add_bench_options(CLI::App& verb, BenchOptions& options) {
  auto* shape =
      verb.add_option("--shape", options.shape, "opt-125m, llama-2-7b, qwen3-0.6b, ... or a config.json");
  if (options.shape.empty()) {
    shape->required();
  } else {
    shape->capture_default_str();
  }
  verb.add_option("--dtype", options.dtype, "f32, bf16 or auto (bf16 where the device multiplies it)")
      ->capture_default_str();
  verb.add_option("--threads", options.threads, "0: all cores")->capture_default_str();
  verb.add_flag("--json", options.json, "print the result as JSON");
}

void add_bench_device(CLI::App& verb, BenchOptions& options) {
  verb.add_option("--device", options.device, "cpu, cuda, cuda:N, or auto: cuda where there is one")
      ->capture_default_str();
}

std::shared_ptr<ops::Backend> open_bench_device(BenchOptions& options) {
  options.backend = ops::open_backend(options.device);
  return options.backend;
}

DType bench_dtype(const BenchOptions& options) {
  if (options.dtype == "auto") return options.backend->has_bf16_products() ? DType::bf16 : DType::f32;
  const DType dtype = parse_dtype(options.dtype);
  if (dtype != DType::f32 && dtype != DType::bf16)
    throw UsageError(fmt::format("--dtype {}: use f32, bf16 or auto", options.dtype));
  return dtype;
}

void use_threads(const BenchOptions& options) {
  require_thread_count(options.threads);
  set_thread_count(options.threads);
}

Json bench_json(const BenchOptions& options) {
  return {{"shape", options.shape},
          {"dtype", name_of(bench_dtype(options))},
          {"device", options.backend->name()},
          {"threads", thread_count()},
          {"isa", ops::name_of(ops::cpu_isa())},
          {"product_kernel", options.backend->product_kernel(bench_dtype(options), true)}};
}

std::string bench_title(const BenchOptions& options) {
  return fmt::format("{} {}, {}, frozen weights by {}", options.shape, name_of(bench_dtype(options)),
                     options.backend->description(),
                     options.backend->product_kernel(bench_dtype(options), true));
}

std::string bench_row(std::string_view name, const std::string& value) {
  return fmt::format("{:<24}{}\n", name, value);
}

std::string spread_text(const Spread& spread, int decimals) {
  return fmt::format("{0:.{3}f} ({1:.{3}f} to {2:.{3}f})", spread.median, spread.low, spread.high, decimals);
}

void add_spread(Json& json, const std::string& key, const Spread& spread) {
  json[key] = spread.median;
  json[key + "_low"] = spread.low;
  json[key + "_high"] = spread.high;
}

std::string peak_text(const ops::PeakRate& peak) {
  return fmt::format("{:.4f} TFLOP/s ({})", peak.flops_per_second / 1e12, peak.instruction);
}

std::string read_rate_text(const MachinePeak& peak) {
  return fmt::format("{:.2f} GB/s", peak.read_bytes_per_second / 1e9);
}

Json peak_json(const MachinePeak& peak) {
  return {{"peak_flops_per_second", peak.multiply.flops_per_second},
          {"peak_instruction", peak.multiply.instruction},
          {"read_bytes_per_second", peak.read_bytes_per_second}};
}

}  // namespace cola
