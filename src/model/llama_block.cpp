// Llama's block (Touvron et al., 2023), as transformers computes it:
//   x += attention(norm1(x)); x += down(silu(gate(norm2(x))) * up(norm2(x)))
#include <array>

#include "backend/elementwise.h"
#include "backend/linear.h"
#include "model/block.h"

namespace cola {
namespace {

std::uint64_t first_linear(std::int64_t block) { return 7 * static_cast<std::uint64_t>(block); }

class LlamaBlock final : public Block {
 public:
  LlamaBlock(const ModelConfig& config, Weights& weights, std::int64_t index, const RotaryTable* rotary)
      : site_(2 * static_cast<std::uint64_t>(index)),
        attention_(config, weights, index, first_linear(index), rotary),
        norm1_(config, weights, ParameterRole::attention_norm, index),
        norm2_(config, weights, ParameterRole::mlp_norm, index),
        gate_(make_linear(weights, ParameterRole::gate, index, first_linear(index) + 4)),
        up_(make_linear(weights, ParameterRole::up, index, first_linear(index) + 5)),
        down_(make_linear(weights, ParameterRole::down, index, first_linear(index) + 6)) {}

  void forward(const StepState& step, ConstMatrixView input, MatrixView out, BlockActivations& kept,
               std::span<KeyValueCache* const> caches) const override {
    const MatrixView middle = room_for_middle(step, input, out, kept);
    const ConstMatrixView attention_in = attention_input(step, input, kept);
    add_branch(step, input, middle, site_, [&](ConstMatrixView addend, MatrixView y) {
      attention_.forward(step, attention_in, addend, y, kept.attention, caches);
    });
    forward_mlp(step, middle, out, kept);
  }

  void backward(const StepState& step, MatrixView d, ConstMatrixView input, BlockActivations& kept,
                bool input_gradient) const override {
    auto& context = step.context;
    const MatrixView din = context.scratch("block.din", d.dtype, d.rows, d.cols);
    backward_mlp(step, branch_gradient(step, d, site_ + 1), kept, din);
    norm2_.backward(context, din, kept.middle.view(), kept.norms[1], d, ops::Write::add);
    if (!input_gradient && !attention_.trained() && !norm1_.trained()) return;
    const bool through_norm = input_gradient || norm1_.trained();
    const ConstMatrixView attention_in =
        attention_.needs_input() ? attention_input(step, input, kept) : ConstMatrixView{};
    attention_.backward(step, branch_gradient(step, d, site_), attention_in, kept.attention,
                        through_norm ? din : MatrixView{});
    if (through_norm) norm1_.backward(context, din, input, kept.norms[0], d, ops::Write::add);
  }

  [[nodiscard]] ConstMatrixView attention_input(const StepState& step, ConstMatrixView input,
                                                BlockActivations& kept) const override {
    return norm1_.normed(step.context, input, kept.norms[0], "block.normed");
  }

  std::vector<Linear*> linears() override {
    auto all = attention_.linears();
    all.insert(all.end(), {&gate_, &up_, &down_});
    return all;
  }

  [[nodiscard]] std::array<const NormLayer*, 2> norms() const override { return {&norm1_, &norm2_}; }

  [[nodiscard]] bool trained() const override {
    return attention_.trained() || norm1_.trained() || norm2_.trained() || gate_.trained() || up_.trained() ||
           down_.trained();
  }

 private:
  [[nodiscard]] static MatrixView hidden_scratch(const StepState& step, const BlockActivations& kept) {
    const ConstMatrixView gate = kept.gate.view();
    return step.context.scratch("block.hidden", gate.dtype, gate.rows, gate.cols);
  }

  /// gate and up, which are kept, and hidden = silu(gate) up unless it is empty.
  void forward_gated(const StepState& step, ConstMatrixView in, BlockActivations& kept,
                     MatrixView hidden) const {
    if (!hidden.empty() && up_.branches.empty()) {
      gate_.forward(step, in, {}, kept.gate.view(), kept.mlp[0]);
      return ops::linear_gate_forward(step.context, ops::Gate::silu, in, up_.effective_weight(),
                                      up_.bias_view(), kept.gate.view(), kept.up.view(), hidden);
    }
    const std::array projections = {LinearForward{&gate_, kept.gate.view(), &kept.mlp[0]},
                                    LinearForward{&up_, kept.up.view(), &kept.mlp[1]}};
    forward_together(step, in, projections);
    if (!hidden.empty())
      ops::gate_forward(step.context, ops::Gate::silu, kept.gate.view(), kept.up.view(), hidden);
  }

  /// out [T, D] = middle + the MLP's branch.
  void forward_mlp(const StepState& step, ConstMatrixView middle, MatrixView out,
                   BlockActivations& kept) const {
    const ConstMatrixView in = norm2_.normed(step.context, middle, kept.norms[1], "block.normed");
    for (Matrix* matrix : {&kept.gate, &kept.up})
      matrix->resize(step.context.memory(), in.dtype, in.rows, gate_.out_features());
    const bool needed = !out.empty() || down_.trained();
    const MatrixView hidden = needed ? hidden_scratch(step, kept) : MatrixView{};
    forward_gated(step, in, kept, hidden);
    if (!needed) return;
    if (out.empty()) return down_.forward(step, hidden, {}, {}, kept.mlp[2]);
    add_branch(step, middle, out, site_ + 1, [&](ConstMatrixView addend, MatrixView y) {
      down_.forward(step, hidden, addend, y, kept.mlp[2]);
    });
  }

  void backward_mlp(const StepState& step, ConstMatrixView dout, BlockActivations& kept,
                    MatrixView din) const {
    const bool needed = down_.needs_input();
    const MatrixView hidden = needed ? hidden_scratch(step, kept) : MatrixView{};
    if (needed) ops::gate_forward(step.context, ops::Gate::silu, kept.gate.view(), kept.up.view(), hidden);
    const MatrixView dhidden = step.context.scratch(needed ? "block.dhidden" : "block.hidden", dout.dtype,
                                                    dout.rows, down_.in_features());
    const MatrixView dgate = kept.gate.view();  // in place: gate and up are not needed after
    const MatrixView dup = kept.up.view();
    down_.backward_gate(step, ops::Gate::silu, dout, hidden, kept.mlp[2],
                        {kept.gate.view(), kept.up.view(), dhidden, dgate, dup});
    const bool reads_input = gate_.needs_input() || up_.needs_input();
    const ConstMatrixView in =
        reads_input ? norm2_.normed(step.context, kept.middle.view(), kept.norms[1], "block.normed")
                    : ConstMatrixView{};
    const std::array projections = {LinearBackward{&gate_, dgate, &kept.mlp[0]},
                                    LinearBackward{&up_, dup, &kept.mlp[1]}};
    backward_together(step, in, projections, din, ops::Write::replace);
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
