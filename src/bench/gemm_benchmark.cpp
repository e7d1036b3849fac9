#include "bench/gemm_benchmark.h"

#include <algorithm>

#include "backend/cpu/gemm.h"
#include "backend/cpu_isa.h"
#include "backend/linear.h"
#include "backend/lora.h"
#include "bench/checks.h"
#include "bench/machine_peak.h"
#include "bench/random_matrix.h"
#include "core/error.h"
#include "lora/target_modules.h"
#include "model/linear_names.h"
#include "model/parameter_spec.h"

namespace cola {
namespace {

using ops::Transpose;
using ops::Write;

/// Layers of one shape.
struct DistinctLinear {
  std::vector<std::string> names;
  std::int64_t out = 0, in = 0;
  bool bias = false;
};

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

/// Of the layers with these indices.
std::vector<DistinctLinear> distinct_linears(const DecoderSpec& config,
                                             const std::vector<std::size_t>& chosen) {
  const auto all = linear_names(config);
  const auto specs = parameter_specs(config);
  std::vector<DistinctLinear> distinct;
  for (const std::size_t index : chosen) {
    const LinearName& linear = all[index];
    const bool bias =
        std::ranges::any_of(specs, [&](const auto& spec) { return spec.name == linear.name + ".bias"; });
    auto found = std::ranges::find_if(distinct, [&](const DistinctLinear& other) {
      return other.out == linear.out_features && other.in == linear.in_features && other.bias == bias;
    });
    if (found == distinct.end())
      found = distinct.insert(found, {{}, linear.out_features, linear.in_features, bias});
    const std::string name = last_part(linear.name);
    if (std::ranges::find(found->names, name) == found->names.end()) found->names.push_back(name);
  }
  return distinct;
}

std::vector<std::size_t> every_index(const DecoderSpec& config) {
  std::vector<std::size_t> indices(linear_names(config).size());
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
  return indices;
}

bool onednn_has(DType dtype) { return dtype == DType::f32 || ops::has_bf16_products(); }

void check(const GemmBenchmarkOptions& options) {
  if (options.rows.empty()) throw UsageError("--rows: give at least one number");
  for (const std::int64_t rows : options.rows) require_range("rows", rows, 1, 65536);
  require_seconds(options.least_seconds);
  require_range("lora-r", options.lora_r, 1, options.config.hidden_size);
}

/// Times one product after the other.
class ProductTimer {
 public:
  ProductTimer(const GemmBenchmarkOptions& options, std::function<void()> done)
      : least_seconds_(options.least_seconds),
        done_(std::move(done)),
        peak_([dtype = options.dtype] { return MachinePeak{ops::cpu_backend().measure_peak(dtype), 0.0}; }) {}

  /// `rate` with its figures; `onednn` may be empty.
  ProductRate timed(ProductRate rate, double flops, const std::function<void()>& own,
                    const std::function<void()>& onednn) {
    std::vector<std::function<void()>> works{own};
    if (onednn) works.push_back(onednn);
    std::vector<std::vector<double>> seconds;
    const MachinePeak around = peak_.around([&] { seconds = seconds_in_turn(works, least_seconds_); });
    rate.seconds = spread_of(seconds.front());
    rate.flops_per_second = flops / rate.seconds.median;
    std::vector<double> fractions;
    for (const double s : seconds.front()) fractions.push_back(flops / s / around.multiply.flops_per_second);
    rate.fraction_of_peak = spread_of(std::move(fractions));
    if (onednn) {
      rate.onednn_flops_per_second = flops / median(seconds.back());
      rate.speedup_over_onednn = spread_of_ratios(seconds.back(), seconds.front());
    }
    done_();
    return rate;
  }

  [[nodiscard]] ops::PeakRate peak() const { return median_of(peak_.peaks()).multiply; }

 private:
  double least_seconds_;
  std::function<void()> done_;
  PeakBetween peak_;
};

double product_flops(const ProductRate& rate) {
  return 2.0 * static_cast<double>(rate.m) * static_cast<double>(rate.n) * static_cast<double>(rate.k);
}

void time_linear(const DistinctLinear& linear, const GemmBenchmarkOptions& options, ProductTimer& timer,
                 std::vector<ProductRate>& rates) {
  ops::Context context;
  const DType dtype = options.dtype;
  const Matrix w = random_matrix(context, dtype, linear.out, linear.in, 0);
  const ops::PackedMatrix packed =
      ops::prefers_packed(dtype) ? ops::PackedMatrix(w.view()) : ops::PackedMatrix();
  const ops::WeightView weight = packed.empty() ? ops::WeightView(w.view()) : ops::WeightView(packed);
  const std::vector<float> bias(linear.bias ? static_cast<std::size_t>(linear.out) : 0, 0.5F);
  for (const std::int64_t count : options.rows) {
    Matrix x = random_matrix(context, dtype, count, linear.in, 1);
    Matrix y = random_matrix(context, dtype, count, linear.out, 2);
    std::function<void()> forward, backward;
    if (onednn_has(dtype)) {
      forward = [&] {
        ops::multiply(context, x.view(), Transpose::no, w.view(), Transpose::yes, bias, y.view(),
                      Write::replace);
      };
      backward = [&] {
        ops::multiply(context, y.view(), Transpose::no, w.view(), Transpose::no, {}, x.view(),
                      Write::replace);
      };
    }
    const ProductRate of_forward{.layers = linear.names, .m = count, .n = linear.out, .k = linear.in};
    rates.push_back(timer.timed(
        of_forward, product_flops(of_forward),
        [&] { ops::linear_forward(context, x.view(), weight, bias, {}, y.view()); }, forward));
    const ProductRate of_backward{
        .layers = linear.names, .backward = true, .m = count, .n = linear.in, .k = linear.out};
    rates.push_back(timer.timed(
        of_backward, product_flops(of_backward),
        [&] { ops::linear_backward_input(context, y.view(), weight, x.view(), Write::replace); }, backward));
  }
}

/// The tensors of one LoRA and its gradients.
struct ThinOperands {
  ThinOperands(ops::Context& context, DType dtype, std::int64_t rows, const DistinctLinear& linear,
               std::int64_t rank)
      : x(random_matrix(context, dtype, rows, linear.in, 1)),
        y(random_matrix(context, dtype, rows, linear.out, 2)),
        a(random_matrix(context, DType::f32, rank, linear.in, 3)),
        b(random_matrix(context, DType::f32, linear.out, rank, 4)),
        u(DType::f32, rows, rank),
        du(DType::f32, rows, rank),
        da(DType::f32, rank, linear.in),
        db(DType::f32, linear.out, rank) {}

  Matrix x, y, a, b, u, du, da, db;
};

constexpr float thin_scale = 1e-6F;  // what is added to stays bounded over many calls

void thin_forward_by_onednn(ops::Context& context, ThinOperands& f32) {
  ops::multiply(context, f32.x.view(), Transpose::no, f32.a.view(), Transpose::yes, {}, f32.u.view(),
                Write::replace);
  ops::multiply(context, f32.u.view(), Transpose::no, f32.b.view(), Transpose::yes, {}, f32.y.view(),
                Write::add);
}

void thin_backward_by_onednn(ops::Context& context, ThinOperands& f32) {
  ops::multiply(context, f32.y.view(), Transpose::no, f32.b.view(), Transpose::no, {}, f32.du.view(),
                Write::replace);
  ops::multiply(context, f32.y.view(), Transpose::yes, f32.u.view(), Transpose::no, {}, f32.db.view(),
                Write::add);
  ops::multiply(context, f32.du.view(), Transpose::yes, f32.x.view(), Transpose::no, {}, f32.da.view(),
                Write::add);
  ops::multiply(context, f32.du.view(), Transpose::no, f32.a.view(), Transpose::no, {}, f32.x.view(),
                Write::add);
}

void time_thin(const DistinctLinear& linear, const GemmBenchmarkOptions& options, ProductTimer& timer,
               std::vector<ProductRate>& rates) {
  ops::Context context;
  for (const std::int64_t count : options.rows) {
    ThinOperands own(context, options.dtype, count, linear, options.lora_r);
    ThinOperands f32(context, DType::f32, count, linear, options.lora_r);
    const double flops = 2.0 * static_cast<double>(count) * static_cast<double>(options.lora_r) *
                         static_cast<double>(linear.in + linear.out);
    rates.push_back(timer.timed(
        ProductRate{.layers = linear.names, .m = count, .n = linear.out, .k = linear.in}, flops,
        [&] {
          const ops::LoraForward branch = {own.a.view(), own.b.view(), thin_scale, own.u.view(),
                                           own.y.view()};
          ops::lora_forward(context, own.x.view(), {&branch, 1});
        },
        [&] { thin_forward_by_onednn(context, f32); }));
    rates.push_back(timer.timed(
        ProductRate{.layers = linear.names, .backward = true, .m = count, .n = linear.in, .k = linear.out},
        2.0 * flops,
        [&] {
          const ops::LoraBackwardB of_b = {own.y.view(), own.u.view(),  own.b.view(),
                                           thin_scale,   own.du.view(), own.db.view()};
          ops::lora_backward_b(context, {&of_b, 1});
          const ops::LoraBackwardA of_a = {own.du.view(), own.a.view(), own.da.view()};
          ops::lora_backward_a(context, own.x.view(), {&of_a, 1}, own.x.view());
        },
        [&] { thin_backward_by_onednn(context, f32); }));
  }
}

}  // namespace

GemmBenchmark benchmark_gemm(const GemmBenchmarkOptions& options,
                             const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  check(options);
  const auto targets = selected_targets(options.config, options.target_modules);
  const auto linears = distinct_linears(options.config, every_index(options.config));
  const auto thin = distinct_linears(options.config, targets);
  const std::int64_t total = 2 * std::ssize(options.rows) * (std::ssize(linears) + std::ssize(thin));
  std::int64_t done = 0;
  ProductTimer timer(options, [&] {
    if (progress) progress(++done, total);
  });
  GemmBenchmark result;
  for (const auto& linear : linears) time_linear(linear, options, timer, result.results);
  for (const auto& linear : thin) time_thin(linear, options, timer, result.thin);
  result.peak = timer.peak();
  return result;
}

}  // namespace cola
