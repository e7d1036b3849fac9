#pragma once
// The styles of names in which Gemma 3 that sees images is published and saved.
#include <string>
#include <utility>
#include <vector>

namespace cola::test {

inline const std::string vision_model = "gemma3_vision";  // a folder of tests/files/parity

/// Beginnings of names in the fixture's file, and what they are instead.
struct NameStyle {
  std::string name;
  std::vector<std::pair<std::string, std::string>> stems;

  [[nodiscard]] std::string operator()(const std::string& tensor) const {
    for (const auto& [stem, other] : stems)
      if (tensor.starts_with(stem)) return other + tensor.substr(stem.size());
    return tensor;
  }
};

inline const std::vector<NameStyle>& vision_styles() {
  static const std::vector<NameStyle> styles{
      {"published", {{"vision_tower.", "vision_tower.vision_model."}}},
      {"saved", {}},
      {"memory",
       {{"language_model.model.", "model.language_model."},
        {"language_model.lm_head.", "lm_head."},
        {"vision_tower.", "model.vision_tower."},
        {"multi_modal_projector.", "model.multi_modal_projector."}}},
  };
  return styles;
}

}  // namespace cola::test
