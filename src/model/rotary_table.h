#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "backend/ragged_batch.h"
#include "core/matrix.h"
#include "model/rotary_spec.h"

namespace cola {

/// The stretched inverse frequencies, [ceil(rotary_dim / 2)], as transformers computes them:
/// theta^(-2i/rotary_dim) (Su et al., 2021), divided by the factor (linear), by Llama 3.1's rule, YaRN's
/// (Peng et al., 2023), or LongRoPE's (Ding et al., 2024) short or long factors; `is_long` chooses these and
/// counts for nothing else.
[[nodiscard]] std::vector<double> rotary_frequencies(const RotarySpec& spec, bool is_long = false);
/// By what the frequencies were divided that theta alone gives, one for each.
[[nodiscard]] std::vector<float> rotary_divisors(const RotarySpec& spec);

/// What cosines and sines are multiplied by: YaRN's and LongRoPE's correction of the scores, else 1.
[[nodiscard]] double rotary_attention_factor(const RotarySpec& spec);

/// cos and sin of position * frequency, times the attention factor, [rows, ceil(rotary_dim / 2)], f32
/// (computed in double), of as many positions as have been asked for: time and memory follow the sequences,
/// not max_position_embeddings. Row p is of position p; with LongRoPE position p has the rows 2p, by the
/// short factors, and 2p + 1, by the long ones (see rotary_rows).
class RotaryTable {
 public:
  RotaryTable(RotarySpec spec, Memory& memory) : spec_(std::move(spec)), memory_(&memory) {}
  /// Makes the rows of positions 0 .. positions - 1; no more than the spec's. Views of before are void.
  void reserve(std::int64_t positions);
  [[nodiscard]] const RotarySpec& spec() const { return spec_; }
  [[nodiscard]] ConstMatrixView cosines() const { return cosines_.view(); }
  [[nodiscard]] ConstMatrixView sines() const { return sines_.view(); }

 private:
  RotarySpec spec_;
  Memory* memory_;
  Matrix cosines_, sines_;
};

/// Bytes of a table after reserve(positions).
[[nodiscard]] std::int64_t rotary_table_bytes(const RotarySpec& spec, std::int64_t positions);

/// Whether a sequence of so many tokens (a shared prefix and what a cache holds counted) turns by LongRoPE's
/// long factors; false for every other table. A cache filled below that length holds keys that were turned
/// by the short ones: past it, it has to be made again.
[[nodiscard]] bool turns_by_long_factors(const RotarySpec& spec, std::int64_t length);
/// Whether it does by one of a model's tables.
[[nodiscard]] bool turns_by_long_factors(std::span<const RotarySpec> tables, std::int64_t length);

/// Which sequences of a batch turn by LongRoPE's long factors. transformers takes them for all rows of a
/// padded batch as soon as one of them is longer than the original length.
enum class LongFactors : std::uint8_t {
  by_batch,     ///< all, if the longest does: as transformers trains on a micro-batch
  by_sequence,  ///< each by its own length, whatever stands beside it: to score and to generate
};

/// The table's row for each token of the batch, [T]: its position but for LongRoPE. By sequence a shared
/// prefix turns as what continues it does; throws Error where continuations of one prefix differ.
[[nodiscard]] std::vector<std::int32_t> rotary_rows(const RotarySpec& spec, const RaggedBatch& batch,
                                                    LongFactors rule);

}  // namespace cola
