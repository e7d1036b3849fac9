#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cola/train.h"

namespace cola {

/// The options as TOML, keys as on the command line; options that are not set are left out.
[[nodiscard]] std::string to_toml(const TrainOptions& options);

/// Reads a TOML file over `options`: keys that are absent keep their value.
/// Throws UsageError naming file and key: malformed, unknown, of another type.
void read_toml(const std::filesystem::path& file, TrainOptions& options);

/// As above, from text; `where` takes the file's place in messages.
void read_toml_text(std::string_view text, const std::string& where, TrainOptions& options);

/// Names of the options in which a and b differ.
[[nodiscard]] std::vector<std::string> differing_options(const TrainOptions& a, const TrainOptions& b);

/// Makes every path absolute, so that a run can be resumed from anywhere.
void make_paths_absolute(TrainOptions& options);

}  // namespace cola
