#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "model/rotary_spec.h"

namespace cola {

/// A `rope_type` of config.json, and what it means.
struct RotaryType {
  std::string_view name;
  RotarySpec::Kind kind;
};

/// What most families take beside `default`.
inline constexpr std::array<RotaryType, 3> common_rotary_types{{{"linear", RotarySpec::Kind::linear},
                                                                {"llama3", RotarySpec::Kind::llama3},
                                                                {"yarn", RotarySpec::Kind::yarn}}};
/// Phi-3's: one stretch under the names that it has had.
inline constexpr std::array<RotaryType, 3> phi3_rotary_types{{{"longrope", RotarySpec::Kind::longrope},
                                                              {"su", RotarySpec::Kind::longrope},
                                                              {"yarn", RotarySpec::Kind::longrope}}};

/// How a family understands the rotary fields of config.json.
struct RotaryRules {
  double theta = 10000.0;  ///< where there is no `rope_theta`
  std::span<const RotaryType> types = common_rotary_types;
  bool partial =
      false;  ///< obeys `partial_rotary_factor`, the part of a head that turns; else that must be 1
  /// `original_max_position_embeddings` where it is absent; it then counts beside the dictionary alone. 0:
  /// inside or beside, and llama3 needs it.
  std::int64_t original_positions = 0;
};
inline constexpr RotaryRules phi3_rotary{
    .theta = 10000.0, .types = phi3_rotary_types, .partial = true, .original_positions = 4096};

/// Reads every field of config.json (`reader`) that decides the rotary table of a model with one, in both
/// forms: `rope_theta` and `rope_scaling` beside it, and transformers 5's `rope_parameters`, which holds
/// both; `{}` and null count as absent. As in transformers, a rope_scaling replaces rope_parameters whole,
/// and what a dictionary says comes before what stands beside it. Throws Error naming the field for what is
/// missing, what is not supported, and what readers of such files understand differently.
[[nodiscard]] RotarySpec read_rotary(const JsonReader& reader, std::int64_t head_dim,
                                     std::int64_t max_position_embeddings, const RotaryRules& rules = {});

/// The same for Gemma 3's two tables: [0] of the layers with full attention (`rope_theta` and `rope_scaling`,
/// or `full_attention` in `rope_parameters`), [1] of those with a window (`rope_local_base_freq`, or
/// `sliding_attention`), which the old form never scales.
[[nodiscard]] std::vector<RotarySpec> read_rotary_by_attention(const JsonReader& reader,
                                                               std::int64_t head_dim,
                                                               std::int64_t max_position_embeddings);

}  // namespace cola
