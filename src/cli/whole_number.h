#pragma once
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <string>
#include <system_error>

namespace cola {

/// For options of unsigned type, where CLI11 lets -1 wrap around and 2^64 become 2^64 - 1.
[[nodiscard]] inline CLI::Validator whole_number() {
  return CLI::Validator(
      [](std::string& text) {
        std::uint64_t value = 0;
        if (text.starts_with('-')) return text + " must be 0 or more";
        const auto error = std::from_chars(text.data(), text.data() + text.size(), value).ec;
        return error == std::errc::result_out_of_range ? text + " must be below 2^64" : std::string();
      },
      "");
}

}  // namespace cola
