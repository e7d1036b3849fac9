#pragma once
#include <filesystem>
#include <string_view>
#include <vector>

namespace cola {

/// A file of share/demo that the build put into the program.
struct EmbeddedFile {
  std::string_view name;   ///< relative to share/demo: "model/config.json"
  std::string_view bytes;  ///< of static storage
};

/// Made by demo_files.cmake from the files of share/demo.
[[nodiscard]] std::vector<EmbeddedFile> demo_files();

/// Writes all of them below `folder`. Throws Error if that fails.
void write_demo_files(const std::filesystem::path& folder);

}  // namespace cola
