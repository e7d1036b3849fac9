#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// A text with fields to fill in: "{premise}\n"; "{{" and "}}" are literal braces.
class PromptTemplate {
 public:
  PromptTemplate() = default;
  /// Throws UsageError beginning with `where` for a brace without its other one, or an empty field name.
  PromptTemplate(std::string_view text, const std::string& where);

  /// The text, each field replaced by what `value_of` gives for its name.
  [[nodiscard]] std::string fill(const std::function<std::string(const std::string&)>& value_of) const;

 private:
  struct Part {
    std::string text;
    bool field = false;  ///< `text` is a field's name
  };
  std::vector<Part> parts_;
};

}  // namespace cola
