// Llama's block (Touvron et al., 2023), as transformers computes it:
//   x += attention(norm1(x)); x += down(silu(gate(norm2(x))) * up(norm2(x)))
#include <array>

#include "backend/elementwise.h"
#include "model/block.h"

namespace cola {
namespace {

constexpr std::uint64_t linears_per_block = 7;

class LlamaBlock final : public Block {
 public:
  LlamaBlock(const ModelConfig& config, Weights& weights, std::int64_t index, const RotaryTable* rotary)
      : site_(2 * static_cast<std::uint64_t>(index)),
        attention_(config, weights, block_prefix(config, index) + ".self_attn",
                   linears_per_block * static_cast<std::uint64_t>(index), rotary),
        norm1_(config, weights, block_prefix(config, index) + ".input_layernorm"),
        norm2_(config, weights, block_prefix(config, index) + ".post_attention_layernorm"),
        gate_(mlp_linear(config, weights, index, ".mlp.gate_proj", 4)),
        up_(mlp_linear(config, weights, index, ".mlp.up_proj", 5)),
        down_(mlp_linear(config, weights, index, ".mlp.down_proj", 6)) {}

  void forward(const StepState& step, MatrixView x, BlockActivations& kept,
               std::span<KeyValueCache* const> caches) const override {
    run(step, x, kept, caches, true);
  }

  void recompute(const StepState& step, MatrixView x, BlockActivations& kept) const override {
    run(step, x, kept, {}, false);
  }

  void backward(const StepState& step, MatrixView d, BlockActivations& kept,
                bool input_gradient) const override {
    auto& context = step.context;
    const MatrixView din = context.scratch("block.din", d.dtype, d.rows, d.cols);
    backward_mlp(step, branch_gradient(step, d, site_ + 1), kept, din);
    norm2_.backward(context, din, kept.middle.view(), kept.norms[1], d, ops::Write::add);
    if (!input_gradient && !attention_.trained() && !norm1_.trained()) return;
    const bool through_norm = input_gradient || norm1_.trained();
    attention_.backward(step, branch_gradient(step, d, site_), kept.attention_in.view(), kept.attention,
                        through_norm ? din : MatrixView{});
    if (through_norm) norm1_.backward(context, din, kept.input.view(), kept.norms[0], d, ops::Write::add);
  }

  std::vector<Linear*> linears() override {
    auto all = attention_.linears();
    all.insert(all.end(), {&gate_, &up_, &down_});
    return all;
  }

  [[nodiscard]] bool trained() const override {
    return attention_.trained() || norm1_.trained() || norm2_.trained() || gate_.trained() || up_.trained() ||
           down_.trained();
  }

 private:
  static Linear mlp_linear(const ModelConfig& config, Weights& weights, std::int64_t index,
                           const std::string& suffix, std::uint64_t place) {
    const std::string name = block_prefix(config, index) + suffix;
    return {name, linears_per_block * static_cast<std::uint64_t>(index) + place, weights.at(name + ".weight"),
            config.mlp_bias ? &weights.at(name + ".bias") : nullptr};
  }

  /// The forward; without `output`, x is left unspecified.
  void run(const StepState& step, MatrixView x, BlockActivations& kept,
           std::span<KeyValueCache* const> caches, bool output) const {
    auto& context = step.context;
    const MatrixView branch = context.scratch("block.branch", x.dtype, x.rows, x.cols);
    if (step.keep) keep_copy(context, x, kept.input);
    const MatrixView attention_in =
        room_for_input(step, attention_.needs_input(), kept.attention_in, "block.normed", x, x.cols);
    norm1_.forward(context, x, attention_in, kept.norms[0]);
    attention_.forward(step, attention_in, branch, kept.attention, caches);
    add_residual(step, x, branch, site_);
    if (step.keep) keep_copy(context, x, kept.middle);
    const bool needed = gate_.needs_input() || up_.needs_input();
    const MatrixView mlp_in = room_for_input(step, needed, kept.mlp_in, "block.normed", x, x.cols);
    norm2_.forward(context, x, mlp_in, kept.norms[1]);
    forward_mlp(step, mlp_in, kept, output ? branch : MatrixView{});
    if (output) add_residual(step, x, branch, site_ + 1);
  }

  /// silu(gate) up [T, F], in scratch.
  [[nodiscard]] static MatrixView gated(const StepState& step, const BlockActivations& kept) {
    const ConstMatrixView gate = kept.gate.view();
    const MatrixView hidden = step.context.scratch("block.hidden", gate.dtype, gate.rows, gate.cols);
    ops::silu_gate_forward(step.context, gate, kept.up.view(), hidden);
    return hidden;
  }

  static void keep_copy(ops::Context& context, ConstMatrixView x, Matrix& buffer) {
    buffer.resize(context.memory(), x.dtype, x.rows, x.cols);
    ops::convert(context, x, buffer.view());
  }

  void forward_mlp(const StepState& step, ConstMatrixView in, BlockActivations& kept, MatrixView out) const {
    for (Matrix* matrix : {&kept.gate, &kept.up})
      matrix->resize(step.context.memory(), in.dtype, in.rows, gate_.out_features());
    const std::array projections = {LinearForward{&gate_, kept.gate.view(), &kept.mlp[0]},
                                    LinearForward{&up_, kept.up.view(), &kept.mlp[1]}};
    forward_together(step, in, projections);
    if (!out.empty() || down_.trained()) down_.forward(step, gated(step, kept), out, kept.mlp[2]);
  }

  void backward_mlp(const StepState& step, ConstMatrixView dout, BlockActivations& kept,
                    MatrixView din) const {
    const bool needed = down_.needs_input();
    const ConstMatrixView hidden = needed ? gated(step, kept) : MatrixView{};
    const MatrixView dhidden = step.context.scratch(needed ? "block.dhidden" : "block.hidden", dout.dtype,
                                                    dout.rows, down_.in_features());
    down_.backward(step, dout, hidden, kept.mlp[2], dhidden, ops::Write::replace);
    const MatrixView dgate = kept.gate.view();  // in place: gate and up are not needed after
    const MatrixView dup = kept.up.view();
    ops::silu_gate_backward(step.context, dhidden, kept.gate.view(), kept.up.view(), dgate, dup);
    const std::array projections = {LinearBackward{&gate_, dgate, &kept.mlp[0]},
                                    LinearBackward{&up_, dup, &kept.mlp[1]}};
    backward_together(step, kept.mlp_in.view(), projections, din, ops::Write::replace);
  }

  std::uint64_t site_;
  SelfAttention attention_;
  NormLayer norm1_, norm2_;
  Linear gate_, up_, down_;
};

}  // namespace

std::unique_ptr<Block> make_llama_block(const ModelConfig& config, Weights& weights, std::int64_t index,
                                        const RotaryTable* rotary) {
  return std::make_unique<LlamaBlock>(config, weights, index, rotary);
}

}  // namespace cola
