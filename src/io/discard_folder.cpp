#include "io/discard_folder.h"

#include "io/durable_file.h"

namespace cola {

void discard_folder(const std::filesystem::path& folder) {
  const auto discarded = temporary_path(folder);
  std::filesystem::rename(folder, discarded);
  std::filesystem::remove_all(discarded);
}

}  // namespace cola
