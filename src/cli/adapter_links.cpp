#include "cli/adapter_links.h"

#include <system_error>

#include "cli/output.h"
#include "io/gguf/gguf_file.h"
#include "lora/adapter.h"
#include "model/base_model.h"
#include "model/base_tensors.h"

namespace cola {

bool has_base_model(const std::filesystem::path& model) {
  std::error_code ignored;
  return !model.empty() &&
         std::filesystem::exists(is_gguf_file(model) ? model : model / "config.json", ignored);
}

std::vector<Link> links_of(std::span<const std::filesystem::path> folders,
                           const std::filesystem::path& model) {
  BaseModel base;
  BaseTensors tensors;
  const bool has_model = has_base_model(model);
  if (has_model) {
    base = open_base_model(model);
    tensors = base_tensors(base.config, *base.tensors);
  }
  std::vector<std::string> notes;
  std::vector<Link> links = read_adapters(folders, has_model ? &tensors : nullptr, notes);
  print_notes(notes);
  return links;
}

}  // namespace cola
