#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/regex.h"

namespace cola {

/// What becomes of the stretches that a pattern matches (tokenizers' SplitDelimiterBehavior).
enum class SplitBehavior : std::uint8_t {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous
};

/// Where Metaspace puts its prefix: only on the text's first section, on every section, nowhere.
enum class PrependScheme : std::uint8_t { first, always, never };

/// tokenizer.json's pre_tokenizer: cuts a text into the words that are encoded one by one.
class PreTokenizer {
 public:
  struct Split {
    Regex pattern;
    SplitBehavior behavior = SplitBehavior::isolated;
    bool invert = false;  ///< the stretches between matches take the matches' role
  };
  struct ByteLevel {
    bool add_prefix_space = false;
    std::optional<Regex> pattern;  ///< GPT-2's, where use_regex
  };
  struct Metaspace {
    std::string replacement;
    PrependScheme prepend = PrependScheme::always;
    bool split = true;
  };
  using Step = std::variant<Split, ByteLevel, Metaspace>;

  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  /// Words of one section of a text, none empty; `first`: it is the text's first section. Valid UTF-8 in and
  /// out.
  [[nodiscard]] std::vector<std::string> operator()(std::string text, bool first) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace cola
