#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace cola {

/// One table of rotary frequencies, completely, in the terms of transformers' rope parameters
/// (modeling_rope_utils.py). rotary_table.h makes it, rope_config.h reads it.
struct RotarySpec {
  enum class Kind : std::uint8_t { plain, linear, llama3, yarn, longrope };
  Kind kind = Kind::plain;
  double theta = 10000.0;
  /// The first so many numbers of a head turn, by ceil(rotary_dim / 2) frequencies; if odd, the next one too.
  std::int64_t rotary_dim = 0;
  std::int64_t max_position_embeddings = 0;           ///< the table has no more positions
  double factor = 1.0;                                ///< all kinds but plain
  std::int64_t original_max_position_embeddings = 0;  ///< llama3, yarn, longrope
  double low_freq_factor = 1.0;                       ///< llama3, as the next
  double high_freq_factor = 4.0;
  double beta_fast = 32.0;  ///< yarn, as all down to truncate
  double beta_slow = 1.0;
  std::optional<double> mscale;
  std::optional<double> mscale_all_dim;
  bool truncate = true;
  std::optional<double> attention_factor;  ///< yarn, longrope; none: by their formulas
  std::vector<double> short_factor;        ///< longrope, as the next; one for each frequency
  std::vector<double> long_factor;

  bool operator==(const RotarySpec&) const = default;
};

}  // namespace cola
