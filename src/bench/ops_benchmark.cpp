#include "bench/ops_benchmark.h"

#include <span>
#include <utility>

#include "backend/attention.h"
#include "backend/attention_pairs.h"
#include "backend/cross_entropy.h"
#include "backend/elementwise.h"
#include "backend/embedding.h"
#include "backend/lora.h"
#include "backend/norm.h"
#include "backend/rotary.h"
#include "backend/update.h"
#include "bench/checks.h"
#include "bench/random_matrix.h"
#include "bench/step_batches.h"
#include "model/rotary_table.h"
#include "train/step_flops.h"

namespace cola {
namespace {

using ops::Write;

void check(const OpsBenchmarkOptions& options) {
  require_range("batch-size", options.batch_size, 1, 65536);
  require_range("seq-length", options.seq_length, 2, options.config.max_position_embeddings);
  require_range("lora-r", options.lora_r, 1, options.config.hidden_size);
  require_seconds(options.least_seconds);
}

double bytes_of(const Matrix& matrix) {
  return static_cast<double>(matrix.size()) * static_cast<double>(size_of(matrix.dtype()));
}

/// Times one op after the other; operands live only as long as their ops are timed.
class OpsTimer {
 public:
  explicit OpsTimer(const OpsBenchmarkOptions& options)
      : options_(options),
        config_(options.config),
        block_(options.config.block(0)),
        batch_(random_batch(options.config, options.batch_size, options.seq_length)) {}

  /// `progress` counts groups of ops.
  OpsBenchmark run(const std::function<void(std::int64_t, std::int64_t)>& progress) {
    using Group = void (OpsTimer::*)();
    std::vector<Group> groups{&OpsTimer::embedding,     &OpsTimer::residual, &OpsTimer::attention,
                              &OpsTimer::cross_entropy, &OpsTimer::update,   &OpsTimer::lora};
    std::vector<Group> own{block_.norm.kind == NormKind::layer ? &OpsTimer::layer_norm : &OpsTimer::rms_norm,
                           block_.mlp.activation == Activation::relu ? &OpsTimer::relu : &OpsTimer::gate};
    if (block_.attention.rotary) own.push_back(&OpsTimer::rotary);
    groups.insert(groups.begin() + 1, own.begin(), own.end());
    std::int64_t done = 0;
    PeakBetween peak([&] { return measure_machine_peak(ops::cpu_backend(), options_.dtype); });
    for (const Group group : groups) {
      const std::size_t first = rates_.size();
      const MachinePeak around = peak.around([&] { (this->*group)(); });
      for (OpRate& rate : std::span(rates_).subspan(first)) {
        rate.fraction_of_bandwidth = rate.bytes_per_second / around.read_bytes_per_second;
        rate.fraction_of_peak = rate.flops_per_second / around.multiply.flops_per_second;
      }
      if (progress) progress(++done, std::ssize(groups));
    }
    return {std::move(rates_), median_of(peak.peaks())};
  }

 private:
  void embedding();
  void layer_norm();
  void rms_norm();
  void residual();
  void relu();
  void gate();
  void rotary();
  void attention();
  void cross_entropy();
  void update();
  void lora();

  /// `bytes` and `flops` as in OpRate; rows and cols are those of `main`.
  void time(std::string op, const Matrix& main, double bytes, double flops,
            const std::function<void()>& work) {
    OpRate rate{
        .op = std::move(op), .rows = main.rows(), .cols = main.cols(), .bytes = bytes, .flops = flops};
    rate.seconds = median(seconds_in_turn({work}, options_.least_seconds).front());
    rate.bytes_per_second = bytes / rate.seconds;
    rate.flops_per_second = flops / rate.seconds;
    rates_.push_back(std::move(rate));
  }

  [[nodiscard]] Matrix tokens_by(std::int64_t cols) {
    return random_matrix(context_, options_.dtype, batch_.tokens(), cols, ++matrices_);
  }

  const OpsBenchmarkOptions& options_;
  const DecoderSpec& config_;
  const BlockSpec& block_;  ///< whose ops are timed
  RaggedBatch batch_;
  ops::Context context_;
  std::uint64_t matrices_ = 0;
  std::vector<OpRate> rates_;
};

void OpsTimer::embedding() {
  const Matrix table =
      random_matrix(context_, options_.dtype, config_.vocab_size, config_.word_embed_proj_dim, ++matrices_);
  Matrix y = tokens_by(config_.word_embed_proj_dim);
  time("embedding", y, 2.0 * bytes_of(y), 0.0,
       [&] { ops::embedding_forward(context_, table.view(), batch_.ids, y.view()); });
}

void OpsTimer::layer_norm() {
  const Matrix x = tokens_by(config_.hidden_size);
  Matrix y = tokens_by(config_.hidden_size);
  const std::vector<float> weight(static_cast<std::size_t>(config_.hidden_size), 1.0F);
  const std::vector<float> bias(weight.size(), 0.0F);
  std::vector<float> mean(static_cast<std::size_t>(x.rows()));
  std::vector<float> rstd(mean.size());
  const auto epsilon = block_.norm.epsilon;
  time("layer norm", x, 2.0 * bytes_of(x), 0.0,
       [&] { ops::layer_norm_forward(context_, x.view(), weight, bias, epsilon, y.view(), mean, rstd); });
  const Matrix dy = tokens_by(config_.hidden_size);
  time("layer norm backward", x, 4.0 * bytes_of(x), 0.0, [&] {
    ops::layer_norm_backward(context_, dy.view(), x.view(), weight, mean, rstd, y.view(), Write::add, {}, {});
  });
}

void OpsTimer::rms_norm() {
  const Matrix x = tokens_by(config_.hidden_size);
  Matrix y = tokens_by(config_.hidden_size);
  const std::vector<float> weight(static_cast<std::size_t>(config_.hidden_size), 1.0F);
  std::vector<float> rstd(static_cast<std::size_t>(x.rows()));
  const ops::RmsNorm norm = {block_.norm.epsilon, block_.norm.unit_offset, block_.norm.rounds_before_weight};
  time("RMS norm", x, 2.0 * bytes_of(x), 0.0,
       [&] { ops::rms_norm_forward(context_, x.view(), weight, norm, y.view(), rstd); });
  const Matrix dy = tokens_by(config_.hidden_size);
  time("RMS norm backward", x, 4.0 * bytes_of(x), 0.0, [&] {
    ops::rms_norm_backward(context_, dy.view(), x.view(), weight, norm, rstd, y.view(), Write::add, {});
  });
}

void OpsTimer::residual() {
  const Matrix a = tokens_by(config_.hidden_size);
  const Matrix b = tokens_by(config_.hidden_size);
  Matrix y = tokens_by(config_.hidden_size);
  time("residual", a, 3.0 * bytes_of(a), 0.0, [&] { ops::add(context_, a.view(), b.view(), y.view()); });
}

void OpsTimer::relu() {
  Matrix x = tokens_by(block_.mlp.intermediate_size);
  std::vector<std::uint8_t> positive(static_cast<std::size_t>(ops::relu_mask_bytes(x.rows(), x.cols())));
  const auto mask_bytes = static_cast<double>(positive.size());
  time("relu", x, 2.0 * bytes_of(x) + mask_bytes, 0.0,
       [&] { ops::relu_forward(context_, x.view(), positive); });
  Matrix dy = tokens_by(block_.mlp.intermediate_size);
  time("relu backward", x, 2.0 * bytes_of(x) + mask_bytes, 0.0,
       [&] { ops::relu_backward(context_, dy.view(), positive, dy.view()); });
}

void OpsTimer::gate() {
  const Matrix gate = tokens_by(block_.mlp.intermediate_size);
  const Matrix up = tokens_by(block_.mlp.intermediate_size);
  const Matrix dh = tokens_by(block_.mlp.intermediate_size);
  Matrix first = tokens_by(block_.mlp.intermediate_size);
  Matrix second = tokens_by(block_.mlp.intermediate_size);
  const ops::Gate function =
      block_.mlp.activation == Activation::gelu_tanh_gate ? ops::Gate::gelu_tanh : ops::Gate::silu;
  time("gate", gate, 3.0 * bytes_of(gate), 0.0,
       [&] { ops::gate_forward(context_, function, gate.view(), up.view(), first.view()); });
  time("gate backward", gate, 5.0 * bytes_of(gate), 0.0, [&] {
    ops::gate_backward(context_, function, dh.view(), gate.view(), up.view(), first.view(), second.view());
  });
}

void OpsTimer::rotary() {
  RotaryTable table(config_.rotary_tables[*block_.attention.rotary], host_memory());
  table.reserve(options_.seq_length);
  Matrix q = tokens_by(block_.attention.query_width());
  time("rotary", q, 2.0 * bytes_of(q), 0.0, [&] {
    ops::rotary(context_, q.view(), block_.attention.head_dim, batch_.positions, table.cosines(),
                table.sines(), false);
  });
}

void OpsTimer::attention() {
  const std::int64_t width = block_.attention.query_width();
  const std::int64_t kv_width = block_.attention.key_width();
  const AttentionSpec& spec = block_.attention;
  const ops::AttentionShape shape{spec.num_attention_heads,
                                  spec.num_key_value_heads,
                                  spec.head_dim,
                                  spec.scale,
                                  spec.window,
                                  spec.soft_cap};
  const Matrix q = tokens_by(width), k = tokens_by(kv_width), v = tokens_by(kv_width);
  Matrix out = tokens_by(width), dq = tokens_by(width), dk = tokens_by(kv_width), dv = tokens_by(kv_width);
  Matrix log_sum_exp(DType::f32, q.rows(), spec.num_attention_heads);
  const double pair = static_cast<double>(ops::attention_pairs(batch_.offsets, {}, shape.window)) *
                      static_cast<double>(width);
  // Scores and the sum of values; backwards the scores again, and the gradients of P, Q, K and V.
  time("attention", q, 2.0 * bytes_of(q) + 2.0 * bytes_of(k), 4.0 * pair, [&] {
    ops::attention_forward(context_, shape, batch_.offsets, {}, q.view(), k.view(), v.view(), out.view(),
                           log_sum_exp.view());
  });
  const Matrix dout = tokens_by(width);
  time("attention backward", q, 4.0 * bytes_of(q) + 4.0 * bytes_of(k), 10.0 * pair, [&] {
    ops::attention_backward(context_, shape, batch_.offsets, {}, dout.view(), q.view(), k.view(), v.view(),
                            out.view(), log_sum_exp.view(), dq.view(), dk.view(), dv.view());
  });
}

void OpsTimer::cross_entropy() {
  const std::int64_t width = config_.word_embed_proj_dim;
  const Matrix head = random_matrix(context_, options_.dtype, config_.vocab_size, width, ++matrices_);
  const Matrix hidden = tokens_by(width);
  Matrix dhidden = tokens_by(width);
  std::vector<float> nll(batch_.ids.size());
  const std::vector<float> weights(nll.size(), 1.0F / static_cast<float>(nll.size()));
  const double products = 2.0 * static_cast<double>(hidden.size()) * static_cast<double>(head.rows());
  time("cross-entropy", hidden, bytes_of(hidden) + bytes_of(head), products,
       [&] { ops::cross_entropy_forward(context_, hidden.view(), head.view(), batch_.ids, nll, {}); });
  time("cross-entropy with backward", hidden, 2.0 * bytes_of(hidden) + bytes_of(head), 2.0 * products, [&] {
    ops::cross_entropy_forward_backward(context_, hidden.view(), head.view(), batch_.ids, weights, nll,
                                        dhidden.view(), {});
  });
}

/// Of as many parameters as the largest matrix of a block has.
void OpsTimer::update() {
  const auto matrix = [&] {
    return random_matrix(context_, DType::f32, block_.mlp.intermediate_size, config_.hidden_size,
                         ++matrices_);
  };
  const Matrix gradient = matrix();
  Matrix parameter = matrix();
  Matrix m(DType::f32, gradient.rows(), gradient.cols());
  Matrix v(DType::f32, gradient.rows(), gradient.cols());
  time("gradient norm", gradient, bytes_of(gradient), 0.0,
       [&] { (void)ops::sum_of_squares(context_, gradient.floats()); });
  const ops::AdamW setting{1e-4, 0.9, 0.999, 1e-8, 0.0, 1};
  const ops::UpdatedTensor tensor = {gradient.floats(), parameter.floats(), m.floats(), v.floats()};
  time("AdamW", gradient, 7.0 * bytes_of(gradient), 0.0,
       [&] { ops::adamw_update(context_, setting, 1.0F, {&tensor, 1}); });
}

/// On the projection of queries.
void OpsTimer::lora() {
  const std::int64_t out = block_.attention.query_width();
  Matrix x = tokens_by(config_.hidden_size);
  Matrix y = tokens_by(out);
  const Matrix a = random_matrix(context_, DType::f32, options_.lora_r, config_.hidden_size, ++matrices_);
  const Matrix b = random_matrix(context_, DType::f32, out, options_.lora_r, ++matrices_);
  Matrix u(DType::f32, x.rows(), options_.lora_r), du(DType::f32, x.rows(), options_.lora_r);
  Matrix da(DType::f32, options_.lora_r, config_.hidden_size), db(DType::f32, out, options_.lora_r);
  constexpr float scale = 1e-6F;  // what is added to stays bounded over many calls
  const double by_rank = 2.0 * static_cast<double>(options_.lora_r);
  const auto of_x = by_rank * static_cast<double>(x.size());
  const auto of_y = by_rank * static_cast<double>(y.size());
  const double thin = bytes_of(a) + bytes_of(b);
  const ops::LoraForward forward = {a.view(), b.view(), scale, u.view(), y.view()};
  time("LoRA", x, bytes_of(x) + 2.0 * bytes_of(y) + bytes_of(u) + thin, of_x + of_y,
       [&] { ops::lora_forward(context_, x.view(), {&forward, 1}); });
  const ops::LoraBackwardB of_b = {y.view(), u.view(), b.view(), scale, du.view(), db.view()};
  time("LoRA backward, B", y, bytes_of(y) + bytes_of(u) + bytes_of(du) + 3.0 * bytes_of(b), 2.0 * of_y,
       [&] { ops::lora_backward_b(context_, {&of_b, 1}); });
  const ops::LoraBackwardA of_a = {du.view(), a.view(), da.view()};
  Matrix dx = tokens_by(config_.hidden_size);
  time("LoRA backward, A", x, 3.0 * bytes_of(x) + bytes_of(du) + 3.0 * bytes_of(a), 2.0 * of_x,
       [&] { ops::lora_backward_a(context_, x.view(), {&of_a, 1}, dx.view()); });
}

}  // namespace

OpsBenchmark benchmark_ops(const OpsBenchmarkOptions& options,
                           const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  check(options);
  return OpsTimer(options).run(progress);
}

}  // namespace cola
