#pragma once
#include <filesystem>

namespace cola {

/// Removes a folder, renamed first: a removal that is interrupted leaves nothing under its name.
void discard_folder(const std::filesystem::path& folder);

}  // namespace cola
