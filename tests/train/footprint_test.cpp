// What the memory plan counts for each block, against what the blocks then keep.
#include <gtest/gtest.h>

#include <array>

#include "lora/target_modules.h"
#include "model/block.h"
#include "model/linear_names.h"
#include "support/engine.h"

namespace cola {
namespace {

std::int64_t bytes_of(const Matrix& matrix) {
  return matrix.rows() * matrix.cols() * static_cast<std::int64_t>(size_of(matrix.view().dtype));
}

std::int64_t bytes_of(const ResidualActivations& residual) {
  return bytes_of(residual.sum) + bytes_of(residual.branch) + bytes_of(residual.norm.mean) +
         bytes_of(residual.norm.rstd) + bytes_of(residual.output_norm.mean) +
         bytes_of(residual.output_norm.rstd);
}

std::int64_t bytes_of(const AttentionActivations& attention) {
  std::int64_t bytes = 0;
  for (const Matrix* matrix :
       {&attention.q, &attention.k, &attention.v, &attention.out, &attention.log_sum_exp, &attention.q_raw,
        &attention.k_raw, &attention.q_norm.rstd, &attention.k_norm.rstd, &attention.q_linear.low_rank,
        &attention.k_linear.low_rank, &attention.v_linear.low_rank, &attention.out_linear.low_rank})
    bytes += bytes_of(*matrix);
  return bytes;
}

std::int64_t bytes_of(const MlpActivations& mlp) {
  auto bytes = static_cast<std::int64_t>(mlp.positive.size());
  for (const Matrix* matrix : {&mlp.gate, &mlp.up, &mlp.gate_up, &mlp.hidden, &mlp.gate_linear.low_rank,
                               &mlp.up_linear.low_rank, &mlp.down_linear.low_rank})
    bytes += bytes_of(*matrix);
  return bytes;
}

std::int64_t bytes_of(const BlockActivations& block) {
  return bytes_of(block.middle) + bytes_of(block.attention_residual) + bytes_of(block.mlp_residual) +
         bytes_of(block.attention) + bytes_of(block.mlp);
}

/// The model's linear layers by block, all trained, or all with an adapter of this rank.
std::vector<BlockLinears> linears_of(const DecoderSpec& spec, std::int64_t rank, bool full) {
  std::vector<BlockLinears> blocks(static_cast<std::size_t>(spec.num_hidden_layers()));
  for (const ParameterSpec& linear : linear_specs(spec)) {
    if (linear.block < 0) continue;
    blocks[static_cast<std::size_t>(linear.block)].emplace(linear.role, LinearCost{.out = linear.shape[0],
                                                                                   .in = linear.shape[1],
                                                                                   .rank = rank,
                                                                                   .frozen_rank = 0,
                                                                                   .weight_trained = full});
  }
  return blocks;
}

class FootprintOf : public testing::TestWithParam<std::string> {
 protected:
  /// Runs a forward that keeps, of `tokens` tokens, and compares. Two statistics of each of up to four norms
  /// are counted; an RMS norm keeps one.
  void expect_kept(test::Engine& engine, std::int64_t rank, bool full) {
    constexpr std::int64_t tokens = 64;
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens), 7);
    const std::array sequence{Example{ids, ids}};
    const RaggedBatch batch = test::packed(sequence);
    const StepState step{engine.context, batch, true};
    DecoderActivations activations;
    engine.model.forward(step, activations);
    const DecoderSpec& spec = engine.model.spec();
    const auto linears = linears_of(spec, rank, full);
    const auto element = static_cast<std::int64_t>(size_of(engine.model.weights().compute_dtype()));
    for (std::size_t index = 0; index < linears.size(); ++index) {
      const Footprint planned =
          Block::footprint(spec.block(static_cast<std::int64_t>(index)), {spec.hidden_size, linears[index]});
      const std::int64_t bytes = tokens * (planned.kept * element + planned.kept_bytes);
      const std::int64_t kept = bytes_of(activations.blocks[index]);
      EXPECT_LE(kept, bytes) << index;
      EXPECT_GE(kept, bytes - tokens * 4 * static_cast<std::int64_t>(sizeof(float))) << index;
    }
  }
};

TEST_P(FootprintOf, IsWhatTheBlocksKeep) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    test::Engine engine(GetParam(), dtype);
    for (const auto& parameter : engine.model.weights().all())
      engine.model.weights().make_trained(*parameter);
    expect_kept(engine, 0, true);
    test::Engine with_link(GetParam(), dtype);
    Chain chain(with_link.model, TieMode::stack);
    std::vector<Linear*> targets;
    for (const std::size_t index :
         select_target_modules(linear_names(with_link.model.spec()), {"all-linear"}))
      targets.push_back(with_link.model.linears()[index]);
    chain.begin_live(test::random_link_on(targets, {3, 6.0}, 17), true);
    expect_kept(with_link, 3, false);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, FootprintOf, testing::ValuesIn(test::models_of_all_families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
