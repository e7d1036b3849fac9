#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace cola {

/// A linear layer that may be a target, by Hugging Face's name ("model.decoder.layers.0.fc1"),
/// weight [out_features, in_features].
struct LinearName {
  std::string name;
  std::int64_t out_features = 0;
  std::int64_t in_features = 0;
  bool in_block = false;  ///< part of a decoder block, unlike the head and project_in/out
};

/// Chooses target modules as PEFT does: `selectors` entries match a module whose name is the entry or ends
/// with ".entry"; the single entry "all-linear" takes every linear layer of the blocks (not the head, not
/// project_in/out); an entry with any of the characters \^$*+?[](){}| is a regular expression that must match
/// a whole name. Returns indices into `linears`, increasing. Throws UsageError naming an entry that matches
/// nothing (and what exists) or an invalid pattern.
[[nodiscard]] std::vector<std::size_t> select_target_modules(const std::vector<LinearName>& linears,
                                                             const std::vector<std::string>& selectors);

}  // namespace cola
