#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>

#include "core/progress.h"

namespace cola {

/// Shows how much of `file` is read and tokenised, and how fast: for read_dataset, which calls it with bytes.
/// `progress` outlives it.
[[nodiscard]] std::function<void(std::int64_t, std::int64_t)> reading_progress(
    Progress& progress, const std::filesystem::path& file);

}  // namespace cola
