#pragma once
#include <filesystem>

#include "tasks/task.h"

namespace cola {

/// A user's task: a TOML file as docs/add-a-task.md describes. Its `folder` is the TOML file's, absolute.
/// Throws Error or UsageError naming the file and the key; `read` throws Error naming the data file and the
/// line.
[[nodiscard]] Task read_user_task(const std::filesystem::path& toml_file);

}  // namespace cola
