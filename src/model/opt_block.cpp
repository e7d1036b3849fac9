// OPT's block (Zhang et al., 2022), in transformers' two forms:
//   pre-norm:   x += attention(norm1(x)); x += fc2(relu(fc1(norm2(x))))
//   post-norm:  x = norm1(x + attention(x)); x = norm2(x + fc2(relu(fc1(x))))      (opt-350m)
#include "backend/elementwise.h"
#include "model/block.h"

namespace cola {
namespace {

constexpr std::uint64_t linears_per_block = 6;

class OptBlock final : public Block {
 public:
  OptBlock(const ModelConfig& config, Weights& weights, std::int64_t index)
      : pre_norm_(config.do_layer_norm_before),
        site_(2 * static_cast<std::uint64_t>(index)),
        attention_(config, weights, block_prefix(config, index) + ".self_attn",
                   linears_per_block * static_cast<std::uint64_t>(index), nullptr),
        norm1_(config, weights, block_prefix(config, index) + ".self_attn_layer_norm"),
        norm2_(config, weights, block_prefix(config, index) + ".final_layer_norm"),
        fc1_(mlp_linear(config, weights, index, ".fc1", 4)),
        fc2_(mlp_linear(config, weights, index, ".fc2", 5)) {}

  void forward(const StepState& step, MatrixView x, BlockActivations& kept,
               std::span<KeyValueCache* const> caches) const override {
    if (pre_norm_) {
      forward_pre_norm(step, x, kept, caches, true);
    } else {
      forward_post_norm(step, x, kept, caches);
    }
  }

  void recompute(const StepState& step, MatrixView x, BlockActivations& kept) const override {
    if (pre_norm_) {
      forward_pre_norm(step, x, kept, {}, false);
    } else {
      forward_post_norm(step, x, kept, {});
    }
  }

  void backward(const StepState& step, MatrixView d, BlockActivations& kept,
                bool input_gradient) const override {
    if (pre_norm_) {
      backward_pre_norm(step, d, kept, input_gradient);
    } else {
      backward_post_norm(step, d, kept, input_gradient);
    }
  }

  std::vector<Linear*> linears() override {
    auto all = attention_.linears();
    all.push_back(&fc1_);
    all.push_back(&fc2_);
    return all;
  }

  [[nodiscard]] bool trained() const override {
    return attention_part_trained() || fc1_.trained() || fc2_.trained() || norm2_.trained();
  }

 private:
  static Linear mlp_linear(const ModelConfig& config, Weights& weights, std::int64_t index,
                           const std::string& suffix, std::uint64_t place) {
    const std::string name = block_prefix(config, index) + suffix;
    return {name, linears_per_block * static_cast<std::uint64_t>(index) + place, weights.at(name + ".weight"),
            config.mlp_bias ? &weights.at(name + ".bias") : nullptr};
  }

  [[nodiscard]] bool attention_part_trained() const { return attention_.trained() || norm1_.trained(); }

  void forward_mlp(const StepState& step, ConstMatrixView in, MatrixView out, BlockActivations& kept) const {
    const std::int64_t width = fc1_.out_features();
    const MatrixView hidden =
        room_for_input(step, fc2_.needs_input(), kept.hidden, "block.hidden", in, width);
    fc1_.forward(step, in, hidden, kept.mlp[0]);
    kept.positive.resize(
        step.context.memory(),
        step.keep ? static_cast<std::size_t>(ops::relu_mask_bytes(in.rows, width)) : std::size_t{0});
    ops::relu_forward(step.context, hidden, kept.positive.as<std::uint8_t>());
    fc2_.forward(step, hidden, out, kept.mlp[1]);
  }

  void backward_mlp(const StepState& step, ConstMatrixView dout, ConstMatrixView in, BlockActivations& kept,
                    MatrixView din, ops::Write write) const {
    const MatrixView dhidden =
        step.context.scratch("block.hidden", dout.dtype, dout.rows, fc1_.out_features());
    fc2_.backward(step, dout, kept.hidden.view(), kept.mlp[1], dhidden, ops::Write::replace);
    ops::relu_backward(step.context, dhidden, kept.positive.as<std::uint8_t>(), dhidden);
    fc1_.backward(step, dhidden, in, kept.mlp[0], din, write);
  }

  [[nodiscard]] MatrixView branch_scratch(const StepState& step, ConstMatrixView like) const {
    return step.context.scratch("block.branch", like.dtype, like.rows, like.cols);
  }

  /// Without `output`, x is left unspecified.
  void forward_pre_norm(const StepState& step, MatrixView x, BlockActivations& kept,
                        std::span<KeyValueCache* const> caches, bool output) const {
    auto& context = step.context;
    if (step.keep) kept.input = copy(context, x, std::move(kept.input));
    const MatrixView branch = branch_scratch(step, x);
    const MatrixView attention_in =
        room_for_input(step, attention_.needs_input(), kept.attention_in, "block.normed", x, x.cols);
    norm1_.forward(context, x, attention_in, kept.norms[0]);
    attention_.forward(step, attention_in, branch, kept.attention, caches);
    add_residual(step, x, branch, site_);
    if (step.keep) kept.middle = copy(context, x, std::move(kept.middle));
    const MatrixView mlp_in =
        room_for_input(step, fc1_.needs_input(), kept.mlp_in, "block.normed", x, x.cols);
    norm2_.forward(context, x, mlp_in, kept.norms[1]);
    forward_mlp(step, mlp_in, output ? branch : MatrixView{}, kept);
    if (output) add_residual(step, x, branch, site_ + 1);
  }

  void backward_pre_norm(const StepState& step, MatrixView d, BlockActivations& kept,
                         bool input_gradient) const {
    auto& context = step.context;
    const MatrixView din = context.scratch("block.din", d.dtype, d.rows, d.cols);
    backward_mlp(step, branch_gradient(step, d, site_ + 1), kept.mlp_in.view(), kept, din,
                 ops::Write::replace);
    norm2_.backward(context, din, kept.middle.view(), kept.norms[1], d, ops::Write::add);
    if (!input_gradient && !attention_part_trained()) return;
    const bool through_norm = input_gradient || norm1_.trained();
    attention_.backward(step, branch_gradient(step, d, site_), kept.attention_in.view(), kept.attention,
                        through_norm ? din : MatrixView{});
    if (through_norm) norm1_.backward(context, din, kept.input.view(), kept.norms[0], d, ops::Write::add);
  }

  void forward_post_norm(const StepState& step, MatrixView x, BlockActivations& kept,
                         std::span<KeyValueCache* const> caches) const {
    auto& context = step.context;
    const MatrixView branch = branch_scratch(step, x);
    if (step.keep && attention_.needs_input())
      kept.attention_in = copy(context, x, std::move(kept.attention_in));
    attention_.forward(step, x, branch, kept.attention, caches);
    add_residual(step, x, branch, site_);
    kept.middle = copy(context, x, std::move(kept.middle));
    norm1_.forward(context, kept.middle.view(), x, kept.norms[0]);
    if (step.keep && fc1_.needs_input()) kept.mlp_in = copy(context, x, std::move(kept.mlp_in));
    forward_mlp(step, x, branch, kept);
    add_residual(step, x, branch, site_ + 1);
    kept.last = copy(context, x, std::move(kept.last));
    norm2_.forward(context, kept.last.view(), x, kept.norms[1]);
  }

  void backward_post_norm(const StepState& step, MatrixView d, BlockActivations& kept,
                          bool input_gradient) const {
    auto& context = step.context;
    const MatrixView dsum = context.scratch("block.dsum", d.dtype, d.rows, d.cols);
    norm2_.backward(context, d, kept.last.view(), kept.norms[1], dsum, ops::Write::replace);
    ops::convert(context, dsum, d);
    backward_mlp(step, branch_gradient(step, dsum, site_ + 1), kept.mlp_in.view(), kept, d, ops::Write::add);
    if (!input_gradient && !attention_part_trained()) return;
    norm1_.backward(context, d, kept.middle.view(), kept.norms[0], dsum, ops::Write::replace);
    const MatrixView din =
        input_gradient ? context.scratch("block.din", d.dtype, d.rows, d.cols) : MatrixView{};
    attention_.backward(step, branch_gradient(step, dsum, site_), kept.attention_in.view(), kept.attention,
                        din);
    if (input_gradient) ops::add(context, dsum, din, d);
  }

  /// Copies x into a kept buffer, using its memory again.
  static Matrix copy(ops::Context& context, ConstMatrixView x, Matrix buffer) {
    buffer.resize(context.memory(), x.dtype, x.rows, x.cols);
    ops::convert(context, x, buffer.view());
    return buffer;
  }

  bool pre_norm_;
  std::uint64_t site_;
  SelfAttention attention_;
  NormLayer norm1_, norm2_;
  Linear fc1_, fc2_;
};

}  // namespace

std::unique_ptr<Block> make_opt_block(const ModelConfig& config, Weights& weights, std::int64_t index) {
  return std::make_unique<OptBlock>(config, weights, index);
}

}  // namespace cola
