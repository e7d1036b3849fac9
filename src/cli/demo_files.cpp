#include "cli/demo_files.h"

#include "io/files.h"

namespace cola {

void write_demo_files(const std::filesystem::path& folder) {
  for (const EmbeddedFile& file : demo_files()) {
    const std::filesystem::path path = folder / file.name;
    std::filesystem::create_directories(path.parent_path());
    write_text_file(path, file.bytes);
  }
}

}  // namespace cola
