#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace cola {

/// What a command line gives, as "out_proj,fc[0-9]{1,2}", as its entries: split at the commas outside (), []
/// and
/// {}.
[[nodiscard]] std::vector<std::string> split_target_modules(const std::vector<std::string>& given);

/// Adds --target-modules; `targets` outlives the parsing and holds the default.
void add_target_modules(CLI::App& verb, std::vector<std::string>& targets, const std::string& help);

}  // namespace cola
