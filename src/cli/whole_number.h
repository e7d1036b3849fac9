#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace cola {

/// For options of unsigned type, where CLI11 lets -1 wrap around.
[[nodiscard]] inline CLI::Validator whole_number() {
  return CLI::Validator(
      [](std::string& text) { return text.starts_with('-') ? text + " must be 0 or more" : std::string(); },
      "");
}

}  // namespace cola
