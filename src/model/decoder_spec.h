#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "model/rotary_spec.h"

namespace cola {

struct Family;

enum class NormKind : std::uint8_t { layer, rms };

struct NormSpec {
  NormKind kind = NormKind::layer;
  float epsilon = 1e-5F;
  bool unit_offset = false;           ///< RMS norm multiplies by 1 + weight
  bool rounds_before_weight = false;  ///< see ops::RmsNorm

  bool operator==(const NormSpec&) const = default;
};

/// Where a sub-layer f and its norms stand on the residual stream x.
enum class NormPlacement : std::uint8_t {
  before,            ///< x + f(norm(x))
  after_sum,         ///< norm(x + f(x))
  after,             ///< x + norm(f(x))
  before_and_after,  ///< x + norm(f(norm(x)))
};

/// Which norms queries and keys pass before rotary.
enum class HeadNorms : std::uint8_t {
  none,
  each_head,    ///< one weight [head_dim] for all heads
  whole_width,  ///< over all heads at once, a weight for each channel
};

struct AttentionSpec {
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  float scale = 1.0F;       ///< of the scores
  float soft_cap = 0.0F;    ///< scores become soft_cap * tanh(score / soft_cap); 0: they do not
  std::int64_t window = 0;  ///< a query sees so many keys, its own included; 0: all before it
  bool bias = false;        ///< of queries, keys and values
  bool output_bias = false;
  bool fused = false;  ///< queries, keys and values are one matrix
  HeadNorms head_norms = HeadNorms::none;
  std::optional<std::size_t> rotary;  ///< index into DecoderSpec::rotary_tables; none: q and k do not turn

  [[nodiscard]] std::int64_t query_width() const { return num_attention_heads * head_dim; }
  [[nodiscard]] std::int64_t key_width() const { return num_key_value_heads * head_dim; }
  bool operator==(const AttentionSpec&) const = default;
};

/// What stands between an MLP's first and last layer: relu(up), or f(gate) up.
enum class Activation : std::uint8_t { relu, silu_gate, gelu_tanh_gate };

struct MlpSpec {
  Activation activation = Activation::relu;
  std::int64_t intermediate_size = 0;
  bool bias = false;
  bool fused = false;  ///< gate and up are one matrix

  [[nodiscard]] bool gated() const { return activation != Activation::relu; }
  bool operator==(const MlpSpec&) const = default;
};

struct BlockSpec {
  NormPlacement placement = NormPlacement::before;
  NormSpec norm;
  AttentionSpec attention;
  MlpSpec mlp;
  float residual_multiplier = 1.0F;  ///< of what attention and the MLP add to the residual stream

  bool operator==(const BlockSpec&) const = default;
};

/// A decoder language model as data, in Hugging Face's terms. Checked when read: positive, divisible,
/// bounded.
struct DecoderSpec {
  const Family* family = nullptr;  ///< see model/family.h
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t max_position_embeddings = 0;
  std::int64_t word_embed_proj_dim = 0;  ///< width of the token table; hidden_size without project_in/out
  bool position_table = false;           ///< positions have a learned table, which is added to the tokens'
  float embedding_scale = 1.0F;          ///< of the token table's rows, but not of a tied head
  bool rounds_embedding_scale = false;   ///< to the compute dtype, before it multiplies
  std::int32_t padding_index = -1;       ///< row of the token table without a gradient of look-ups; -1: none
  bool tie_word_embeddings = true;
  float logit_scale = 1.0F;
  float logit_soft_cap = 0.0F;  ///< as AttentionSpec::soft_cap, of scaled logits
  std::vector<RotarySpec> rotary_tables;
  std::vector<BlockSpec> block_kinds;
  std::vector<std::uint8_t> kind_of_block;  ///< index into block_kinds, for each block
  std::optional<NormSpec> final_norm;       ///< after the last block
  double dropout = 0.0;            ///< configured hidden dropout (OPT 0.1); used with --dropout config
  double attention_dropout = 0.0;  ///< configured; there is none here, which is said at start

  [[nodiscard]] bool has_projections() const { return word_embed_proj_dim != hidden_size; }
  [[nodiscard]] std::int64_t num_hidden_layers() const { return std::ssize(kind_of_block); }
  [[nodiscard]] const BlockSpec& block(std::int64_t index) const {
    return block_kinds[kind_of_block[static_cast<std::size_t>(index)]];
  }

  /// The windows of the blocks' attention (0: none), each once, in the order of the kinds.
  [[nodiscard]] std::vector<std::int64_t> windows() const;

  /// `count` blocks that are all alike.
  void set_blocks(std::int64_t count, const BlockSpec& block);
  /// Lets `change` make each block another, by its index.
  void vary_blocks(const std::function<void(std::int64_t index, BlockSpec&)>& change);

  bool operator==(const DecoderSpec&) const = default;
};

}  // namespace cola
