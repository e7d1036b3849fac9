#pragma once
#include <filesystem>

#include "core/progress.h"
#include "data/record_chunks.h"

namespace cola {

/// Shows how much of `file` is read and tokenised, and how fast: for read_dataset and read_preferences.
/// `progress` outlives it.
[[nodiscard]] ReadingReport reading_progress(Progress& progress, const std::filesystem::path& file);

}  // namespace cola
