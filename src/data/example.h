#pragma once
#include <cstdint>
#include <vector>

namespace cola {

inline constexpr std::int32_t no_label = -100;

/// One tokenised sequence. labels[t] is token t as a target (predicted at t-1), or no_label; labels[0] is
/// ignored.
struct Example {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> labels;  ///< as long as ids
  /// What each target's loss is multiplied by, as long as ids; empty: 1.
  std::vector<float> weights{};  // NOLINT(readability-redundant-member-init): GCC warns where it is left out

  [[nodiscard]] std::int64_t loss_tokens() const;  ///< labels after the first that are not no_label
};

}  // namespace cola
