#pragma once
#include "core/matrix.h"
#include "model/config.h"

namespace cola {

/// cos and sin of position * frequency, [positions, head_dim / 2], f32 (computed in double).
/// Frequencies: theta^(-2i/head_dim), stretched by rope_scaling as transformers does.
class RotaryTable {
 public:
  RotaryTable(const ModelConfig& config, Memory& memory);
  [[nodiscard]] ConstMatrixView cosines() const { return cosines_.view(); }
  [[nodiscard]] ConstMatrixView sines() const { return sines_.view(); }

 private:
  Matrix cosines_, sines_;
};

/// The stretched inverse frequencies, [head_dim / 2].
[[nodiscard]] std::vector<double> rotary_frequencies(const ModelConfig& config);

}  // namespace cola
