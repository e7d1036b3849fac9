#pragma once
#include <optional>
#include <string>

namespace cola {

/// How pairs of a chosen and a rejected answer are trained or evaluated; docs/preferences.md has the
/// formulas.
struct PreferenceOptions {
  std::string objective;       ///< dpo, orpo or simpo; empty: none, data are texts, completions and chats
  std::optional<double> beta;  ///< 0.1; with simpo 2
  std::string dpo_loss;        ///< with dpo: sigmoid (also if empty), hinge, ipo, robust, sigmoid_norm
  std::optional<double> label_smoothing;  ///< with robust: how many labels are taken to be wrong
  std::optional<double> sft_weight;       ///< of the chosen answers' own loss, with dpo and simpo
  std::optional<double> simpo_gamma;      ///< 0.5
  std::string reference;                  ///< with dpo: base (also if empty), or start
};

}  // namespace cola
