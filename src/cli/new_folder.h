#pragma once
#include <filesystem>

namespace cola {

/// Throws UsageError if `folder` is a file or a folder with something in it: no verb writes over what is
/// there.
void require_new_folder(const std::filesystem::path& folder);

/// Throws UsageError if `file` exists, or its name is not that of a GGUF file.
void require_new_gguf_file(const std::filesystem::path& file);

}  // namespace cola
