#pragma once
#include <filesystem>

namespace cola {

/// Throws UsageError if `folder` is a file or a folder with something in it: no verb writes over what is
/// there.
void require_new_folder(const std::filesystem::path& folder);

}  // namespace cola
