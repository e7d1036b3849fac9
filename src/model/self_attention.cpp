#include "model/self_attention.h"

#include <algorithm>
#include <array>

#include "backend/elementwise.h"
#include "backend/rotary.h"

namespace cola {
namespace {

/// As a norm reads it: a row a head, [T * heads, head_dim], or the whole [T, heads * head_dim].
MatrixView norm_rows(const AttentionSpec& spec, const MatrixView& matrix) {
  if (spec.head_norms == HeadNorms::whole_width) return matrix;
  return {matrix.data, matrix.dtype, matrix.rows * matrix.cols / spec.head_dim, spec.head_dim, spec.head_dim};
}

}  // namespace

SelfAttention::SelfAttention(const BlockSpec& spec, Weights& weights, std::int64_t block,
                             std::uint64_t first_index, std::span<const RotaryTable> tables)
    : spec_(spec.attention),
      shape_{.heads = spec_.num_attention_heads,
             .kv_heads = spec_.num_key_value_heads,
             .head_dim = spec_.head_dim,
             .scale = spec_.scale,
             .window = spec_.window,
             .soft_cap = spec_.soft_cap} {
  using enum ParameterRole;
  if (spec_.rotary) rotary_ = &tables[*spec_.rotary];
  if (spec_.fused) {
    projections_.push_back(make_linear(weights, query_key_value, block, first_index++));
  } else {
    for (const ParameterRole role : {query, key, value})
      projections_.push_back(make_linear(weights, role, block, first_index++));
  }
  out_ = make_linear(weights, attention_output, block, first_index);
  if (spec_.head_norms == HeadNorms::none) return;
  q_norm_.emplace(spec.norm, weights, query_norm, block);
  k_norm_.emplace(spec.norm, weights, key_norm, block);
}

bool SelfAttention::inner_trained() const {
  return std::ranges::any_of(projections_, &Linear::trained) ||
         (q_norm_ && (q_norm_->trained() || k_norm_->trained()));
}

bool SelfAttention::trained() const { return inner_trained() || out_.trained(); }

bool SelfAttention::needs_input() const { return std::ranges::any_of(projections_, &Linear::needs_input); }

std::vector<Linear*> SelfAttention::linears() {
  std::vector<Linear*> all;
  for (Linear& projection : projections_) all.push_back(&projection);
  all.push_back(&out_);
  return all;
}

std::string SelfAttention::overflowing_norm(Memory& memory, const AttentionActivations& kept) const {
  if (!q_norm_) return "";
  if (!kept.q_norm.finite(memory)) return q_norm_->name();
  return kept.k_norm.finite(memory) ? "" : k_norm_->name();
}

/// Queries, keys and values of x, [T, heads * head_dim] and [T, kv_heads * head_dim] x 2.
void SelfAttention::project(const StepState& step, ConstMatrixView x, AttentionActivations& kept,
                            const Heads& y) const {
  auto& context = step.context;
  if (!spec_.fused) {
    const std::array parts = {LinearForward{&projections_[0], y.q, &kept.q_linear},
                              LinearForward{&projections_[1], y.k, &kept.k_linear},
                              LinearForward{&projections_[2], y.v, &kept.v_linear}};
    return forward_together(step, x, parts);
  }
  const Linear& fused = projections_.front();
  const MatrixView all = context.scratch("attention.qkv", x.dtype, x.rows, fused.out_features());
  fused.forward(step, x, {}, all, kept.q_linear);
  std::int64_t column = 0;
  for (const MatrixView& part : {y.q, y.k, y.v}) {
    ops::convert(context, all.column_range(column, column + part.cols), part);
    column += part.cols;
  }
}

void SelfAttention::project_backward(const StepState& step, const Heads& dy, ConstMatrixView x,
                                     AttentionActivations& kept, MatrixView dx, ops::Write write) const {
  auto& context = step.context;
  if (!spec_.fused) {
    const std::array parts = {LinearBackward{&projections_[0], dy.q, &kept.q_linear},
                              LinearBackward{&projections_[1], dy.k, &kept.k_linear},
                              LinearBackward{&projections_[2], dy.v, &kept.v_linear}};
    return backward_together(step, x, parts, dx, write);
  }
  const Linear& fused = projections_.front();
  const MatrixView all = context.scratch("attention.qkv", dy.q.dtype, dy.q.rows, fused.out_features());
  std::int64_t column = 0;
  for (const MatrixView& part : {dy.q, dy.k, dy.v}) {
    ops::convert(context, part, all.column_range(column, column + part.cols));
    column += part.cols;
  }
  fused.backward(step, all, x, kept.q_linear, dx, write);
}

void SelfAttention::turn(const StepState& step, const Heads& heads, bool inverse) const {
  if (rotary_ == nullptr) return;
  const std::span<const std::int32_t> rows =
      step.rotary_rows.empty() ? step.batch.positions : step.rotary_rows[*spec_.rotary];
  for (const MatrixView& turned : {heads.q, heads.k})
    ops::rotary(step.context, turned, spec_.head_dim, rows, rotary_->cosines(), rotary_->sines(), inverse);
}

void SelfAttention::forward(const StepState& step, ConstMatrixView x, ConstMatrixView addend, MatrixView y,
                            AttentionActivations& kept, std::span<KeyValueCache* const> caches) const {
  auto& context = step.context;
  const auto resize = [&](Matrix& matrix, std::int64_t width) {
    matrix.resize(context.memory(), x.dtype, x.rows, width);
    return matrix.view();
  };
  const Heads heads{resize(kept.q, spec_.query_width()), resize(kept.k, spec_.key_width()),
                    resize(kept.v, spec_.key_width())};
  (void)resize(kept.out, spec_.query_width());
  if (q_norm_) {
    const Heads raw{resize(kept.q_raw, heads.q.cols), resize(kept.k_raw, heads.k.cols), heads.v};
    project(step, x, kept, raw);
    q_norm_->forward(context, norm_rows(spec_, raw.q), norm_rows(spec_, heads.q), kept.q_norm);
    k_norm_->forward(context, norm_rows(spec_, raw.k), norm_rows(spec_, heads.k), kept.k_norm);
  } else {
    project(step, x, kept, heads);
  }
  turn(step, heads, false);
  if (!caches.empty()) {
    const auto sequences = append(context, step.batch.offsets, heads.k, heads.v, caches);
    ops::attention_cached(context, shape_, step.batch.offsets, sequences, heads.q, kept.out.view());
  } else {
    kept.log_sum_exp.resize(context.memory(), DType::f32, x.rows, shape_.heads);
    ops::attention_forward(context, shape_, step.batch.offsets, step.batch.prefixes, heads.q, heads.k,
                           heads.v, kept.out.view(), kept.log_sum_exp.view());
  }
  out_.forward(step, kept.out.view(), addend, y, kept.out_linear);
}

void SelfAttention::backward(const StepState& step, ConstMatrixView dy, ConstMatrixView x,
                             AttentionActivations& kept, MatrixView dx, ops::Write write) const {
  auto& context = step.context;
  const auto scratch = [&](const char* name, std::int64_t width) {
    return context.scratch(name, dy.dtype, dy.rows, width);
  };
  const bool inner = inner_trained() || !dx.empty();
  const MatrixView dout = inner ? scratch("attention.dout", spec_.query_width()) : MatrixView{};
  out_.backward(step, dy, kept.out.view(), kept.out_linear, dout, ops::Write::replace);
  if (!inner) return;
  Heads gradient{scratch("attention.dq", spec_.query_width()), scratch("attention.dk", spec_.key_width()),
                 scratch("attention.dv", spec_.key_width())};
  ops::attention_backward(context, shape_, step.batch.offsets, step.batch.prefixes, dout, kept.q.view(),
                          kept.k.view(), kept.v.view(), kept.out.view(), kept.log_sum_exp.view(), gradient.q,
                          gradient.k, gradient.v);
  turn(step, gradient, true);
  if (q_norm_) {
    const MatrixView dq = scratch("attention.dq_raw", gradient.q.cols);
    const MatrixView dk = scratch("attention.dk_raw", gradient.k.cols);
    q_norm_->backward(context, norm_rows(spec_, gradient.q), norm_rows(spec_, kept.q_raw.view()), kept.q_norm,
                      norm_rows(spec_, dq), ops::Write::replace);
    k_norm_->backward(context, norm_rows(spec_, gradient.k), norm_rows(spec_, kept.k_raw.view()), kept.k_norm,
                      norm_rows(spec_, dk), ops::Write::replace);
    gradient = {dq, dk, gradient.v};
  }
  if (dx.empty() || write == ops::Write::replace)
    return project_backward(step, gradient, x, kept, dx, ops::Write::replace);
  // The projections' shares are summed before they are added.
  const MatrixView sum = scratch("attention.dx", dx.cols);
  project_backward(step, gradient, x, kept, sum, ops::Write::replace);
  ops::add(context, dx, sum, dx);
}

Footprint SelfAttention::footprint(const AttentionSpec& spec, const BlockLinears& linears,
                                   bool input_gradient) {
  using enum ParameterRole;
  const std::int64_t query_width = spec.query_width();
  const std::int64_t key_width = spec.key_width();
  Footprint footprint;
  footprint.kept = 2 * query_width + 2 * key_width;  // q and attention's output, k, v
  footprint.backward_scratch = footprint.kept;       // their gradients
  std::int64_t statistics = spec.num_attention_heads;
  if (spec.head_norms != HeadNorms::none) {
    footprint.kept += query_width + key_width;  // what the norms read
    footprint.backward_scratch += query_width + key_width;
    statistics +=
        spec.head_norms == HeadNorms::each_head ? spec.num_attention_heads + spec.num_key_value_heads : 2;
  }
  footprint.passing = footprint.kept;
  footprint.kept_bytes = footprint.passing_bytes = statistics * static_cast<std::int64_t>(sizeof(float));
  if (spec.fused) footprint.forward_scratch = query_width + 2 * key_width;

  bool inner = input_gradient;
  double projections_backward = 0.0;
  for (const ParameterRole role : {query, key, value, query_key_value}) {
    const auto found = linears.find(role);
    if (found == linears.end()) continue;
    inner = inner || found->second.trained();
    footprint.forward_flops += found->second.forward_flops();
    projections_backward += found->second.backward_flops(input_gradient);
  }
  const LinearCost& out = linears.at(attention_output);
  footprint.forward_flops += out.forward_flops();
  footprint.forward_pair_flops = 4.0 * static_cast<double>(query_width);  // scores, and their sum of values
  if (inner || out.trained()) footprint.backward_flops = out.backward_flops(inner);
  if (!inner) return footprint;
  footprint.backward_flops += projections_backward;
  footprint.backward_pair_flops = 10.0 * static_cast<double>(query_width);  // scores again, dP, dQ, dK, dV
  return footprint;
}

}  // namespace cola
