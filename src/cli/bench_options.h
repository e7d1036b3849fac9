#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "bench/machine_peak.h"
#include "cli/verbs.h"
#include "core/dtype.h"
#include "io/json.h"
#include "model/decoder_spec.h"

namespace cola {

// The verbs below `cola bench`, one file each.
void add_bench_step(CLI::App& bench);
void add_bench_gemm(CLI::App& bench);
void add_bench_ops(CLI::App& bench);
void add_bench_generate(CLI::App& bench);
void add_bench_eval(CLI::App& bench);
void add_bench_tokenize(CLI::App& bench);
void add_bench_template(CLI::App& bench);

/// What every verb of `cola bench` is told.
struct BenchOptions {
  std::string shape;
  std::string dtype = "auto";
  std::string device = "auto";  ///< of the verbs that have --device
  std::shared_ptr<ops::Backend> backend = ops::open_backend("cpu");
  int threads = 0;
  bool json = false;
};

/// Adds --shape (needed where `shape` is empty, else its default), --dtype, --threads and --json.
void add_bench_options(CLI::App& verb, BenchOptions& options);

/// Adds --device, which open_bench_device() acts on.
void add_bench_device(CLI::App& verb, BenchOptions& options);
/// Sets and returns the backend of --device.
std::shared_ptr<ops::Backend> open_bench_device(BenchOptions& options);

/// The dtype to measure. Throws UsageError for another than f32, bf16 and auto.
[[nodiscard]] DType bench_dtype(const BenchOptions& options);

/// Sets the number of threads. Throws UsageError for a negative one.
void use_threads(const BenchOptions& options);

/// The keys that every result has: shape, dtype, device, threads, isa.
[[nodiscard]] Json bench_json(const BenchOptions& options);

/// "opt-125m bf16, 2 threads, amx"
[[nodiscard]] std::string bench_title(const BenchOptions& options);

/// One line of a table of two columns.
[[nodiscard]] std::string bench_row(std::string_view name, const std::string& value);

/// "0.563 (0.551 to 0.570)": the median and the quartiles, with so many decimals.
[[nodiscard]] std::string spread_text(const Spread& spread, int decimals);
/// The key, and the key with _low and _high.
void add_spread(Json& json, const std::string& key, const Spread& spread);

/// "0.4700 TFLOP/s (AVX-512 vdpbf16ps)"
[[nodiscard]] std::string peak_text(const ops::PeakRate& peak);
/// "31.20 GB/s"
[[nodiscard]] std::string read_rate_text(const MachinePeak& peak);
/// The keys peak_flops_per_second, peak_instruction, read_bytes_per_second.
[[nodiscard]] Json peak_json(const MachinePeak& peak);

}  // namespace cola
