#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "data/record_chunks.h"

namespace cola {

/// Says how much of `file` is read and tokenised, and how fast, as Progress::update is told: for read_dataset
/// and read_preferences.
[[nodiscard]] ReadingReport reading_progress(
    const std::filesystem::path& file,
    std::function<void(const std::string& text, std::int64_t done, std::int64_t total)> show);

}  // namespace cola
