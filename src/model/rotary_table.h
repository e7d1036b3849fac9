#pragma once
#include "core/matrix.h"
#include "model/config.h"

namespace cola {

/// cos and sin of position * frequency, [positions, head_dim / 2], f32 (computed in double), of as many
/// positions as have been asked for: time and memory follow the sequences, not max_position_embeddings.
/// Frequencies: theta^(-2i/head_dim), stretched by rope_scaling as transformers does.
class RotaryTable {
 public:
  RotaryTable(const ModelConfig& config, Memory& memory) : config_(config), memory_(&memory) {}
  /// Makes the rows of positions 0 .. positions - 1; no more than the model's. Views of before are void.
  void reserve(std::int64_t positions);
  [[nodiscard]] ConstMatrixView cosines() const { return cosines_.view(); }
  [[nodiscard]] ConstMatrixView sines() const { return sines_.view(); }

 private:
  ModelConfig config_;
  Memory* memory_;
  Matrix cosines_, sines_;
};

/// Bytes of a table after reserve(positions); 0 for a model without one.
[[nodiscard]] std::int64_t rotary_table_bytes(const ModelConfig& config, std::int64_t positions);

/// The stretched inverse frequencies, [head_dim / 2].
[[nodiscard]] std::vector<double> rotary_frequencies(const ModelConfig& config);

}  // namespace cola
