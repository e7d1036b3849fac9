// OPT's block (Zhang et al., 2022), in transformers' two forms:
//   pre-norm:   x += attention(norm1(x)); x += fc2(relu(fc1(norm2(x))))
//   post-norm:  x = norm1(x + attention(x)); x = norm2(x + fc2(relu(fc1(x))))      (opt-350m)
#include <array>

#include "backend/elementwise.h"
#include "model/block.h"

namespace cola {
namespace {

std::uint64_t first_linear(std::int64_t block) { return 6 * static_cast<std::uint64_t>(block); }

class OptBlock final : public Block {
 public:
  OptBlock(const ModelConfig& config, Weights& weights, std::int64_t index)
      : pre_norm_(config.do_layer_norm_before),
        site_(2 * static_cast<std::uint64_t>(index)),
        attention_(config, weights, index, first_linear(index), nullptr),
        norm1_(config, weights, ParameterRole::attention_norm, index),
        norm2_(config, weights, ParameterRole::mlp_norm, index),
        fc1_(make_linear(weights, ParameterRole::up, index, first_linear(index) + 4)),
        fc2_(make_linear(weights, ParameterRole::down, index, first_linear(index) + 5)) {}

  void forward(const StepState& step, ConstMatrixView input, MatrixView out, BlockActivations& kept,
               std::span<KeyValueCache* const> caches) const override {
    if (pre_norm_) {
      forward_pre_norm(step, input, out, kept, caches);
    } else {
      forward_post_norm(step, input, out, kept, caches);
    }
  }

  void backward(const StepState& step, MatrixView d, ConstMatrixView input, BlockActivations& kept,
                bool input_gradient) const override {
    if (pre_norm_) {
      backward_pre_norm(step, d, input, kept, input_gradient);
    } else {
      backward_post_norm(step, d, input, kept, input_gradient);
    }
  }

  [[nodiscard]] ConstMatrixView attention_input(const StepState& step, ConstMatrixView input,
                                                BlockActivations& kept) const override {
    return pre_norm_ ? norm1_.normed(step.context, input, kept.norms[0], "block.normed") : input;
  }

  std::vector<Linear*> linears() override {
    auto all = attention_.linears();
    all.push_back(&fc1_);
    all.push_back(&fc2_);
    return all;
  }

  [[nodiscard]] std::array<const NormLayer*, 2> norms() const override { return {&norm1_, &norm2_}; }

  [[nodiscard]] bool trained() const override {
    return attention_part_trained() || fc1_.trained() || fc2_.trained() || norm2_.trained();
  }

 private:
  [[nodiscard]] bool attention_part_trained() const { return attention_.trained() || norm1_.trained(); }

  /// sum = stream + the MLP's branch for `in`; of an empty sum only `kept` is computed.
  void forward_mlp(const StepState& step, ConstMatrixView in, ConstMatrixView stream, MatrixView sum,
                   BlockActivations& kept) const {
    const bool keep_hidden = step.keep && fc2_.needs_input();
    if (keep_hidden) kept.hidden.resize(step.context.memory(), in.dtype, in.rows, fc1_.out_features());
    const MatrixView hidden = keep_hidden ? kept.hidden.view() : hidden_scratch(step, in);
    kept.positive.resize(step.context.memory(),
                         step.keep ? static_cast<std::size_t>(ops::relu_mask_bytes(hidden.rows, hidden.cols))
                                   : std::size_t{0});
    fc1_.forward_relu(step, in, hidden, kept.positive.as<std::uint8_t>(), kept.mlp[0]);
    if (sum.empty()) return fc2_.forward(step, hidden, {}, {}, kept.mlp[1]);
    add_branch(step, stream, sum, site_ + 1, [&](ConstMatrixView addend, MatrixView y) {
      fc2_.forward(step, hidden, addend, y, kept.mlp[1]);
    });
  }

  void backward_mlp(const StepState& step, ConstMatrixView dout, ConstMatrixView in, BlockActivations& kept,
                    MatrixView din, ops::Write write) const {
    const MatrixView dhidden = hidden_scratch(step, dout);
    fc2_.backward_relu(step, dout, kept.hidden.view(), kept.mlp[1], kept.positive.as<std::uint8_t>(),
                       dhidden);
    fc1_.backward(step, dhidden, in, kept.mlp[0], din, write);
  }

  [[nodiscard]] MatrixView hidden_scratch(const StepState& step, ConstMatrixView like) const {
    return step.context.scratch("block.hidden", like.dtype, like.rows, fc1_.out_features());
  }

  void forward_attention(const StepState& step, ConstMatrixView in, ConstMatrixView stream, MatrixView sum,
                         BlockActivations& kept, std::span<KeyValueCache* const> caches) const {
    add_branch(step, stream, sum, site_, [&](ConstMatrixView addend, MatrixView y) {
      attention_.forward(step, in, addend, y, kept.attention, caches);
    });
  }

  void forward_pre_norm(const StepState& step, ConstMatrixView input, MatrixView out, BlockActivations& kept,
                        std::span<KeyValueCache* const> caches) const {
    const MatrixView middle = room_for_middle(step, input, out, kept);
    forward_attention(step, attention_input(step, input, kept), input, middle, kept, caches);
    forward_mlp(step, norm2_.normed(step.context, middle, kept.norms[1], "block.normed"), middle, out, kept);
  }

  void backward_pre_norm(const StepState& step, MatrixView d, ConstMatrixView input, BlockActivations& kept,
                         bool input_gradient) const {
    auto& context = step.context;
    const MatrixView din = context.scratch("block.din", d.dtype, d.rows, d.cols);
    const ConstMatrixView mlp_in =
        fc1_.needs_input() ? norm2_.normed(context, kept.middle.view(), kept.norms[1], "block.normed")
                           : ConstMatrixView{};
    backward_mlp(step, branch_gradient(step, d, site_ + 1), mlp_in, kept, din, ops::Write::replace);
    norm2_.backward(context, din, kept.middle.view(), kept.norms[1], d, ops::Write::add);
    if (!input_gradient && !attention_part_trained()) return;
    const bool through_norm = input_gradient || norm1_.trained();
    const ConstMatrixView attention_in =
        attention_.needs_input() ? attention_input(step, input, kept) : ConstMatrixView{};
    attention_.backward(step, branch_gradient(step, d, site_), attention_in, kept.attention,
                        through_norm ? din : MatrixView{});
    if (through_norm) norm1_.backward(context, din, input, kept.norms[0], d, ops::Write::add);
  }

  void forward_post_norm(const StepState& step, ConstMatrixView input, MatrixView out, BlockActivations& kept,
                         std::span<KeyValueCache* const> caches) const {
    auto& context = step.context;
    for (Matrix* matrix : {&kept.middle, &kept.last})
      matrix->resize(context.memory(), input.dtype, input.rows, input.cols);
    forward_attention(step, input, input, kept.middle.view(), kept, caches);
    const ConstMatrixView mlp_in = norm1_.normed(context, kept.middle.view(), kept.norms[0], "block.normed");
    forward_mlp(step, mlp_in, mlp_in, kept.last.view(), kept);
    if (out.empty()) {
      (void)norm2_.normed(context, kept.last.view(), kept.norms[1], "block.normed");
    } else {
      norm2_.forward(context, kept.last.view(), out, kept.norms[1]);
    }
  }

  void backward_post_norm(const StepState& step, MatrixView d, ConstMatrixView input, BlockActivations& kept,
                          bool input_gradient) const {
    auto& context = step.context;
    const MatrixView dsum = context.scratch("block.dsum", d.dtype, d.rows, d.cols);
    norm2_.backward(context, d, kept.last.view(), kept.norms[1], dsum, ops::Write::replace);
    ops::convert(context, dsum, d);
    const ConstMatrixView mlp_in =
        fc1_.needs_input() ? norm1_.normed(context, kept.middle.view(), kept.norms[0], "block.normed")
                           : ConstMatrixView{};
    backward_mlp(step, branch_gradient(step, dsum, site_ + 1), mlp_in, kept, d, ops::Write::add);
    if (!input_gradient && !attention_part_trained()) return;
    norm1_.backward(context, d, kept.middle.view(), kept.norms[0], dsum, ops::Write::replace);
    const MatrixView din =
        input_gradient ? context.scratch("block.din", d.dtype, d.rows, d.cols) : MatrixView{};
    attention_.backward(step, branch_gradient(step, dsum, site_), input, kept.attention, din);
    if (input_gradient) ops::add(context, dsum, din, d);
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
