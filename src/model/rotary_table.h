#pragma once
#include "core/matrix.h"
#include "model/decoder_spec.h"

namespace cola {

/// cos and sin of position * frequency, [positions, rotary_dim / 2], f32 (computed in double), of as many
/// positions as have been asked for: time and memory follow the sequences, not max_position_embeddings.
/// Frequencies: theta^(-2i/rotary_dim), stretched by rope_scaling as transformers does.
class RotaryTable {
 public:
  RotaryTable(const RotarySpec& spec, std::int64_t max_positions, Memory& memory)
      : spec_(spec), max_positions_(max_positions), memory_(&memory) {}
  /// Makes the rows of positions 0 .. positions - 1; no more than the model's. Views of before are void.
  void reserve(std::int64_t positions);
  [[nodiscard]] ConstMatrixView cosines() const { return cosines_.view(); }
  [[nodiscard]] ConstMatrixView sines() const { return sines_.view(); }

 private:
  RotarySpec spec_;
  std::int64_t max_positions_;
  Memory* memory_;
  Matrix cosines_, sines_;
};

/// Bytes of a model's tables after reserve(positions).
[[nodiscard]] std::int64_t rotary_table_bytes(const DecoderSpec& spec, std::int64_t positions);

/// The stretched inverse frequencies, [rotary_dim / 2].
[[nodiscard]] std::vector<double> rotary_frequencies(const RotarySpec& spec);

}  // namespace cola
