#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/embedding.h"
#include "model/block.h"
#include "model/language_model_head.h"
#include "model/rotary_table.h"
#include "model/weight_stream.h"
#include "model/weights.h"

namespace cola {

/// What a pass keeps, and buffers used again from step to step.
struct DecoderActivations {
  std::vector<BlockActivations> blocks;  ///< of the blocks that a backward passes
  std::vector<Matrix> inputs;            ///< [T, D] of these blocks
  BlockActivations shared;  ///< of all others, and of all with step.recompute, one after the other
  Matrix embedded;          ///< [T, E] project_in's input
  Matrix x;                 ///< [T, D] residual stream elsewhere; after forward, the last output
  Matrix head_rows, head_normed, head_in;  ///< [L, D], [L, D], [L, E]: the rows that reach the head
  NormActivations head_norm;               ///< of the final norm on head_rows
  LinearActivations project_in, project_out;
  std::vector<std::vector<std::int32_t>> rotary_rows;  ///< see StepState::rotary_rows
};

/// Keys and values of a sequence being generated, one a block.
using SequenceCache = std::vector<KeyValueCache>;

/// A decoder language model with its weights and whatever is attached to its linear layers.
class Decoder {
 public:
  Decoder(const DecoderSpec& spec, Weights weights);

  /// Puts every frozen bf16 weight of a linear layer, a tied token table too, into the layout of tile
  /// products. Worth it where ops::Backend::prefers_packed(); the values do not change.
  void pack_weights();

  /// Brings the blocks' matrices to the device as they are needed, from `uploads.memory()`, where the weights
  /// have them; none of them is trained. The values do not change.
  void stream_weights(ops::Uploads& uploads);

  /// Runs the blocks; activations.x then holds the last one's output. With caches (one a sequence of
  /// the batch), sequence s goes on from what caches[s] holds. Throws Error for a position past the model's.
  void forward(const StepState& step, DecoderActivations& activations,
               std::span<SequenceCache* const> caches = {}) const;

  /// nll [L] of the batch's targets, after forward; correct [L] (greedy prediction is the target) may be
  /// empty; both the host's.
  void loss(const StepState& step, DecoderActivations& activations, std::span<float> nll,
            std::span<std::uint8_t> correct) const;

  /// The same, then adds the gradient of the sum of weights[i] * nll[i] to everything trained; weights [L].
  /// The forward had step.keep. weights, nll: the host's.
  void loss_and_backward(const StepState& step, DecoderActivations& activations,
                         std::span<const float> weights, std::span<float> nll) const;

  /// logits [rows, V] (f32, in the context's memory) of the given rows, after forward.
  void logits(const StepState& step, DecoderActivations& activations, std::span<const std::int32_t> rows,
              MatrixView logits) const;

  /// What the last block's projections of queries, keys and values had as input [T, D], in scratch, after a
  /// forward with step.keep in which that block is trained.
  [[nodiscard]] ConstMatrixView last_attention_input(const StepState& step,
                                                     DecoderActivations& activations) const;

  /// Of this batch's forward pass, which it does again, the name of the first norm with an input row whose
  /// mean square (of layer norm, variance) is not finite; empty if there is none.
  [[nodiscard]] std::string overflowing_norm(const StepState& step, DecoderActivations& activations) const;

  /// Every linear layer that may be a target, the head among them, in the order of the forward
  /// pass.
  [[nodiscard]] std::vector<Linear*> linears();
  /// An empty cache with room for `capacity` tokens, of cache_bytes(capacity).
  [[nodiscard]] SequenceCache make_cache(std::int64_t capacity) const;
  [[nodiscard]] std::int64_t cache_bytes(std::int64_t capacity) const;

  [[nodiscard]] const DecoderSpec& spec() const { return spec_; }
  [[nodiscard]] Weights& weights() { return weights_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }

 private:
  void repeatable(const StepState& step, std::string_view name, const std::function<void()>& body) const;
  void require_positions(const RaggedBatch& batch) const;  ///< of the model; rotary's are made
  /// The step with the rows of the rotary tables that it turns by, where these depend on its sequences'
  /// lengths: in training on the longest, as in transformers, else on each one's own.
  [[nodiscard]] StepState turned_by(const StepState& step, DecoderActivations& activations) const;
  void embed(const StepState& step, DecoderActivations& activations, MatrixView x) const;
  /// The next block of a forward, or the first of what follows it.
  [[nodiscard]] std::size_t block_after(std::size_t index, std::size_t first_kept) const;
  void run_blocks(const StepState& step, DecoderActivations& activations,
                  std::span<SequenceCache* const> caches,
                  const std::function<void(const Block&, const BlockActivations&)>& each = {}) const;
  void blocks_backward(const StepState& step, DecoderActivations& activations, MatrixView d) const;
  void embed_backward(const StepState& step, DecoderActivations& activations, MatrixView d) const;
  void head_input(const StepState& step, DecoderActivations& activations,
                  std::span<const std::int32_t> rows) const;
  /// Gradient of head_in [L, E] back to the residual stream [T, D].
  void head_input_backward(const StepState& step, DecoderActivations& activations, ConstMatrixView dhead_in,
                           MatrixView d) const;
  [[nodiscard]] std::size_t first_trained_block() const;  ///< number of blocks if none is
  /// With step.recompute: whether block `index`, which a backward passes, keeps its input alone. The last
  /// does not: its backward comes next.
  [[nodiscard]] bool keeps_input_alone(const StepState& step, std::size_t index) const {
    return step.recompute && index + 1 < blocks_.size();
  }
  /// What block `index` kept in the forward, recomputed if it has to be.
  BlockActivations& kept_of(const StepState& step, DecoderActivations& activations, std::size_t index) const;
  [[nodiscard]] bool embedding_trained() const;

  DecoderSpec spec_;
  Weights weights_;
  std::unique_ptr<std::vector<RotaryTable>> rotary_;  ///< they grow with the positions that a forward meets
  Parameter* tokens_ = nullptr;
  ops::Lookup lookup_;              ///< of tokens
  Parameter* positions_ = nullptr;  ///< null without a table of positions
  std::optional<LanguageModelHead> head_;
  std::optional<Linear> project_in_, project_out_;
  std::vector<Block> blocks_;
  std::optional<NormLayer> final_norm_;
  std::unique_ptr<WeightStream> stream_;  ///< null: all weights are where ops read them
};

}  // namespace cola
