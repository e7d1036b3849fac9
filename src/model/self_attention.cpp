#include "model/self_attention.h"

#include <array>
#include <cmath>

#include "backend/rotary.h"

namespace cola {
namespace {

/// A row a head: [T * heads, head_dim] of [T, heads * head_dim].
MatrixView by_heads(const MatrixView& matrix, std::int64_t head_dim) {
  return {matrix.data, matrix.dtype, matrix.rows * matrix.cols / head_dim, head_dim, head_dim};
}

}  // namespace

SelfAttention::SelfAttention(const ModelConfig& config, Weights& weights, std::int64_t block,
                             std::uint64_t first_index, const RotaryTable* rotary)
    : shape_{config.num_attention_heads, config.num_key_value_heads, config.head_dim,
             static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim)))},
      rotary_(rotary),
      q_(make_linear(weights, ParameterRole::query, block, first_index)),
      k_(make_linear(weights, ParameterRole::key, block, first_index + 1)),
      v_(make_linear(weights, ParameterRole::value, block, first_index + 2)),
      out_(make_linear(weights, ParameterRole::attention_output, block, first_index + 3)) {
  if (!config.head_norms) return;
  q_norm_.emplace(config, weights, ParameterRole::query_norm, block);
  k_norm_.emplace(config, weights, ParameterRole::key_norm, block);
}

bool SelfAttention::trained() const { return inner_trained() || out_.trained(); }

bool SelfAttention::needs_input() const { return q_.needs_input() || k_.needs_input() || v_.needs_input(); }

void SelfAttention::forward(const StepState& step, ConstMatrixView x, ConstMatrixView addend, MatrixView y,
                            AttentionActivations& kept, std::span<KeyValueCache* const> caches) const {
  auto& context = step.context;
  kept.q.resize(context.memory(), x.dtype, x.rows, q_.out_features());
  kept.k.resize(context.memory(), x.dtype, x.rows, k_.out_features());
  kept.v.resize(context.memory(), x.dtype, x.rows, v_.out_features());
  kept.out.resize(context.memory(), x.dtype, x.rows, q_.out_features());
  if (q_norm_) {
    kept.q_raw.resize(context.memory(), x.dtype, x.rows, q_.out_features());
    kept.k_raw.resize(context.memory(), x.dtype, x.rows, k_.out_features());
  }
  const std::array projections = {
      LinearForward{&q_, q_norm_ ? kept.q_raw.view() : kept.q.view(), &kept.q_linear},
      LinearForward{&k_, k_norm_ ? kept.k_raw.view() : kept.k.view(), &kept.k_linear},
      LinearForward{&v_, kept.v.view(), &kept.v_linear}};
  forward_together(step, x, projections);
  if (q_norm_) {
    const std::int64_t width = shape_.head_dim;
    q_norm_->forward(context, by_heads(kept.q_raw.view(), width), by_heads(kept.q.view(), width),
                     kept.q_norm);
    k_norm_->forward(context, by_heads(kept.k_raw.view(), width), by_heads(kept.k.view(), width),
                     kept.k_norm);
  }
  if (rotary_ != nullptr) {
    for (Matrix* heads : {&kept.q, &kept.k}) {
      ops::rotary(context, heads->view(), shape_.head_dim, step.batch.positions, rotary_->cosines(),
                  rotary_->sines(), false);
    }
  }
  if (!caches.empty()) {
    const auto sequences = append(context, step.batch.offsets, kept.k.view(), kept.v.view(), caches);
    ops::attention_cached(context, shape_, step.batch.offsets, sequences, kept.q.view(), kept.out.view());
  } else {
    kept.log_sum_exp.resize(context.memory(), DType::f32, x.rows, shape_.heads);
    ops::attention_forward(context, shape_, step.batch.offsets, step.batch.prefixes, kept.q.view(),
                           kept.k.view(), kept.v.view(), kept.out.view(), kept.log_sum_exp.view());
  }
  out_.forward(step, kept.out.view(), addend, y, kept.out_linear);
}

void SelfAttention::backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x,
                             AttentionActivations& kept, MatrixView dx) const {
  auto& context = step.context;
  const bool inner = inner_trained() || !dx.empty();
  const MatrixView dout =
      inner ? context.scratch("attention.dout", dy.dtype, dy.rows, kept.out.cols()) : MatrixView{};
  out_.backward(step, dy, kept.out.view(), kept.out_linear, dout, ops::Write::replace);
  if (!inner) return;
  const MatrixView dq = context.scratch("attention.dq", dy.dtype, dy.rows, kept.q.cols());
  const MatrixView dk = context.scratch("attention.dk", dy.dtype, dy.rows, kept.k.cols());
  const MatrixView dv = context.scratch("attention.dv", dy.dtype, dy.rows, kept.v.cols());
  ops::attention_backward(context, shape_, step.batch.offsets, step.batch.prefixes, dout, kept.q.view(),
                          kept.k.view(), kept.v.view(), kept.out.view(), kept.log_sum_exp.view(), dq, dk, dv);
  if (rotary_ != nullptr) {
    for (const MatrixView& gradient : {dq, dk}) {
      ops::rotary(context, gradient, shape_.head_dim, step.batch.positions, rotary_->cosines(),
                  rotary_->sines(), true);
    }
  }
  MatrixView dq_raw = dq, dk_raw = dk;
  if (q_norm_) {
    const std::int64_t width = shape_.head_dim;
    dq_raw = context.scratch("attention.dq_raw", dq.dtype, dq.rows, dq.cols);
    dk_raw = context.scratch("attention.dk_raw", dk.dtype, dk.rows, dk.cols);
    q_norm_->backward(context, by_heads(dq, width), by_heads(kept.q_raw.view(), width), kept.q_norm,
                      by_heads(dq_raw, width), ops::Write::replace);
    k_norm_->backward(context, by_heads(dk, width), by_heads(kept.k_raw.view(), width), kept.k_norm,
                      by_heads(dk_raw, width), ops::Write::replace);
  }
  const std::array projections = {LinearBackward{&q_, dq_raw, &kept.q_linear},
                                  LinearBackward{&k_, dk_raw, &kept.k_linear},
                                  LinearBackward{&v_, dv, &kept.v_linear}};
  backward_together(step, x, projections, dx, ops::Write::replace);
}

}  // namespace cola
