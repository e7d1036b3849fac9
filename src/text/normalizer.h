#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/unicode_form.h"

namespace cola {

/// Every occurrence of `from` (not empty) in `text` becomes `to`, left to right.
[[nodiscard]] std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

/// tokenizer.json's normalizer: steps from first to last.
class Normalizer {
 public:
  struct Prepend {
    std::string text;  ///< put before a text that is not empty
  };
  struct Replace {
    std::string from;
    std::string to;
  };
  using Step = std::variant<Prepend, Replace, UnicodeForm>;

  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}
  /// `text` must be valid UTF-8.
  [[nodiscard]] std::string operator()(std::string text) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace cola
