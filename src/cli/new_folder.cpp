#include "cli/new_folder.h"

#include <fmt/format.h>

#include "core/error.h"

namespace cola {

void require_new_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder, ignored)) return;
  if (!std::filesystem::is_directory(folder, ignored)) {
    throw UsageError(fmt::format("--out {}: a file of that name exists", folder.string()));
  }
  if (!std::filesystem::is_empty(folder, ignored)) {
    throw UsageError(fmt::format("--out {}: the folder is not empty: name a new one", folder.string()));
  }
}

void require_new_gguf_file(const std::filesystem::path& file) {
  if (file.extension() != ".gguf")
    throw UsageError(fmt::format("--out {}: the name of a GGUF file ends in .gguf", file.string()));
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored))
    throw UsageError(fmt::format("--out {}: it exists already: name a new one", file.string()));
}

}  // namespace cola
