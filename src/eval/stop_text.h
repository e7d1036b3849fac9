#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// Ends a text that comes in pieces before the first of some strings. What may be the beginning of one is
/// held back.
class StopText {
 public:
  /// Throws UsageError for an empty string.
  explicit StopText(std::vector<std::string> strings);

  /// The text that is certain with one more piece; nothing more once found() names a string.
  [[nodiscard]] std::string add(std::string_view piece);
  /// What was held back, at the end.
  [[nodiscard]] std::string finish();
  /// The string that was met; "" if none was.
  [[nodiscard]] const std::string& found() const { return found_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;
  std::string found_;
};

}  // namespace cola
